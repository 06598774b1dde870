"""Messages by REST."""

import pytest

from bridge.core.ids import ConversationId, MessageId, TenantId
from tests.bridge.api.client import Api
from tests.bridge.api.requests import messages_of, opened, said
from tests.bridge.api.world import MAX_TEXT_LENGTH, World
from tests.databases import both_databases


@both_databases
async def test_a_message_is_pending_until_the_room_has_it(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    world.clock.advance(10)
    posted = await said(api, conversation_id, "  Do you\n\tcook vegan? 🌱")
    assert posted.status == 201
    message_id = posted.json["message_id"]
    assert posted.headers["Location"] == f"/api/v1/messages/{message_id}"
    assert posted.json == {
        "message_id": message_id,
        "conversation_id": conversation_id,
        "channel_id": conversation_id,
        "sender_id": "u-anna",
        "sender_type": "user",
        "sender_role": "host",
        "direction": "outbound",
        "message_type": "text",
        "content": "  Do you\n\tcook vegan? 🌱",
        "html": None,
        "attachments": [],
        "location": None,
        "poll": None,
        "mentions": [],
        "reply_to": None,
        "thread_id": None,
        "reply_count": 0,
        "reactions": [],
        "is_pinned": False,
        "is_bookmarked": False,
        "is_forwarded": False,
        "priority": "normal",
        "tags": [],
        "booking_id": None,
        "metadata": {},
        "sentiment": None,
        "intent": None,
        "status": "pending",
        "failure_reason": None,
        "event_id": None,
        "lead_id": None,
        "sent_at": "2027-01-15T08:00:00.010Z",
        "read_at": None,
        "recipients": [{"participant_id": "v-1", "status": "pending", "read_at": None}],
        "is_edited": False,
        "edited_at": None,
        "is_deleted": False,
        "created_at": "2027-01-15T08:00:00.010Z",
        "updated_at": "2027-01-15T08:00:00.010Z",
    }
    assert (await api.get(posted.headers["Location"])).json == posted.json
    assert (await api.get(messages_of(conversation_id))).json["messages"] == [posted.json]
    async with world.database.transaction() as tx:
        await world.messages.sent(tx, MessageId(message_id), origin_id="$event")
    sent = (await api.get(posted.headers["Location"])).json
    assert (sent["status"], sent["event_id"]) == ("delivered", "$event")
    assert sent["recipients"] == [{"participant_id": "v-1", "status": "delivered", "read_at": None}]


async def test_a_failed_message_says_why(api: Api, world: World) -> None:
    posted = await said(api, await opened(api))
    async with world.database.transaction() as tx:
        await world.messages.failed(tx, MessageId(posted.json["message_id"]), reason="no room")
    failed = (await api.get(posted.headers["Location"])).json
    assert (failed["status"], failed["failure_reason"]) == ("failed", "no room")


async def test_everybody_who_speaks_is_told_apart(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    await api.post(messages_of(conversation_id), {"sender_id": "v-1", "text": "With pleasure"})
    async with world.database.transaction() as tx:
        conversation = await world.conversation_store.get(tx, ConversationId(conversation_id))
        assert conversation is not None
        await world.messages.announce(tx, conversation, text="Booked")
    listed = (await api.get(messages_of(conversation_id))).json["messages"]
    assert [(one["sender_id"], one["sender_type"], one["message_type"]) for one in listed] == [
        ("v-1", "vendor", "text"),
        (None, "system", "system"),
    ]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("cake\u202egpj.exe", "cakegpj.exe"),  # reads as cakeexe.jpg
        ("a \u2067b\nc", "a \u2067b\u2069\nc"),  # left open: it ends with its line
        ("yes\U000e006e\U000e006f", "yes"),  # tags spell "no" to who reads characters
        ("👩\u200d🍳 می\u200cخواهم",) * 2,
    ],
)
async def test_a_text_neither_hides_nor_turns_around_anything(api: Api, sent: str, kept: str) -> None:
    conversation_id = await opened(api)
    body = {"sender_id": "u-anna", "text": sent, "html": f"<p>{sent}</p>"}
    posted = (await api.post(messages_of(conversation_id), body)).json
    assert (posted["content"], posted["html"]) == (kept, f"<p>{kept}</p>")
    edited = await api.send(
        "PUT", f"/api/v1/messages/{posted['message_id']}", {"sender_id": "u-anna", "text": sent + "!"}
    )
    assert edited.json["content"] == kept + "!"


async def test_a_text_is_not_too_long_only_as_it_is_kept(api: Api) -> None:
    text = "x" * (MAX_TEXT_LENGTH - 1) + "\u2067"
    assert (await said(api, await opened(api), text)).fields == ["text"]


@pytest.mark.parametrize(
    ("body", "status", "problem", "field"),
    [
        ({"sender_id": "u-anna"}, 422, "invalid_input", "text"),
        ({"sender_id": "u-anna", "text": ""}, 422, "invalid_input", "text"),
        ({"sender_id": "u-anna", "text": " \n\u200b"}, 422, "invalid_input", "text"),  # nothing to see
        ({"sender_id": "u-anna", "text": "\u202e\u2066"}, 422, "invalid_input", "text"),  # nor here
        ({"sender_id": "u-anna", "text": "a\x00"}, 422, "invalid_input", "text"),
        ({"sender_id": "u-anna", "text": 5}, 422, "invalid_input", "text"),
        ({"sender_id": "u-anna", "text": "x" * (MAX_TEXT_LENGTH + 1)}, 422, "invalid_input", "text"),
        ({"sender_id": "u-anna", "text": "x", "html": " "}, 422, "invalid_input", "html"),
        ({"sender_id": "u-anna", "text": "x", "html": "a\x00"}, 422, "invalid_input", "html"),
        (
            {"sender_id": "u-anna", "text": "x", "html": "x" * (MAX_TEXT_LENGTH + 1)},
            422,
            "invalid_input",
            "html",
        ),
        ({"sender_id": "u-anna", "text": "x", "mentions": ["v-1", "v-1"]}, 422, "invalid_input", "mentions"),
        ({"sender_id": "u-anna", "text": "x", "mentions": ["v-2"]}, 409, "not_a_participant", "mentions"),
        ({"sender_id": "u-anna", "text": "x", "reply_to": "unknown"}, 409, "not_in_conversation", "reply_to"),
        (
            {"sender_id": "u-anna", "text": "x", "thread_id": "unknown"},
            409,
            "not_in_conversation",
            "thread_id",
        ),
        ({"sender_id": "u-ben", "text": "x"}, 409, "not_a_participant", "sender_id"),  # of nothing
        ({"sender_id": "v-2", "text": "x"}, 409, "not_a_participant", "sender_id"),  # of another conversation
    ],
)
async def test_what_may_not_be_said_is_refused(
    api: Api, world: World, body: object, status: int, problem: str, field: str
) -> None:
    conversation_id = await opened(api)
    await opened(api, "p-1", "v-2")
    before = await world.contents()
    answer = await api.post(messages_of(conversation_id), body)
    assert (answer.status, answer.problem, answer.json["field"]) == (status, problem, field)
    assert await world.contents() == before


async def test_an_answer_says_what_it_answers_to_whom_and_how(api: Api) -> None:
    conversation_id = await opened(api)
    question = (await said(api, conversation_id)).json["message_id"]
    root = (await said(api, conversation_id, "Cakes")).json["message_id"]
    body: dict[str, object] = {
        "sender_id": "v-1",
        "text": "Yes",
        "mentions": ["u-anna"],
        "reply_to": question,
    }
    posted = await api.post(messages_of(conversation_id), body | {"html": "<b>Yes</b><script>x</script>"})
    assert posted.status == 201
    assert {name: posted.json[name] for name in ("html", "mentions", "reply_to", "thread_id")} == {
        "html": "<b>Yes</b>",
        "mentions": ["u-anna"],
        "reply_to": question,
        "thread_id": None,
    }
    in_thread = {"sender_id": "v-1", "text": "Vanilla", "thread_id": root}
    assert (await api.post(messages_of(conversation_id), in_thread)).json["thread_id"] == root
    elsewhere = await opened(api, "p-2", "v-1")
    for field in ("reply_to", "thread_id"):
        refused = await api.post(messages_of(elsewhere), {"sender_id": "v-1", "text": "x", field: question})
        assert (refused.problem, refused.json["field"]) == ("not_in_conversation", field)


async def test_the_longest_text_is_taken(api: Api) -> None:
    assert (await said(api, await opened(api), "🎉" * MAX_TEXT_LENGTH)).status == 201


async def test_text_is_sealed_at_rest(api: Api, world: World) -> None:
    await said(api, await opened(api), "marzipan", Idempotency_Key="k")
    assert b"marzipan" not in repr(await world.contents()).encode()


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    for path in (messages_of("unknown"), "/api/v1/messages/unknown"):
        answer = await api.get(path)
        assert (answer.status, answer.problem) == (404, "not_found")
    assert (await said(api, "unknown")).problem == "not_found"


async def test_a_page_goes_one_way(api: Api) -> None:
    conversation_id = await opened(api)
    cursor = (await api.get(messages_of(conversation_id))).json["after"]
    answer = await api.get(messages_of(conversation_id), before=cursor, after=cursor)
    assert (answer.status, answer.fields) == (422, ["after"])


async def test_another_tenants_message_cannot_be_found(world: World, api: Api) -> None:
    posted = await said(api, await opened(api))
    found = await world.message_store.find(
        world.database, TenantId("other"), MessageId(posted.json["message_id"])
    )
    assert found is None
