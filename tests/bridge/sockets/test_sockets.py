"""What the three WebSockets tell, and what they take."""

import json
import socket
from dataclasses import replace
from typing import Any

import pytest

from bridge.conversations.model import Conversation
from bridge.core.ids import ConversationId, MessageId
from bridge.sockets.api import LARGEST
from bridge.web.pace import Pace
from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, SOON, opened, said
from tests.bridge.api.test_access import booked
from tests.bridge.api.world import OURS, PULSE, THEIRS, World
from tests.bridge.sockets.client import Crowd, LiveWorld, everything, until
from tests.databases import both_databases

PARTY, VENDOR, USER = "/ws/communication/p-1", "/ws/vendor/v-1", "/ws/notifications/u-anna"


async def conversation_of(world: World, conversation_id: str) -> Conversation:
    conversation = await world.conversation_store.get(world.database, ConversationId(conversation_id))
    assert conversation is not None
    return conversation


async def heard(world: World, conversation_id: str, text: str, origin_id: str) -> None:
    """Somebody says it in their Matrix client."""
    conversation = await conversation_of(world, conversation_id)
    (anna, *_) = await world.conversation_store.members(world.database, conversation.conversation_id)
    async with world.database.transaction() as tx:
        await world.messages.receive(
            tx, conversation, sender=anna, text=text, origin_id=origin_id, sent_at=world.clock.now()
        )


@both_databases
async def test_everything_that_becomes_of_messages_is_told(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await world.settled(await opened(api))
    client = await crowd.connected(PARTY)
    message = (await said(api, conversation_id, "Vanilla?")).json
    sent = await client.next("message.sent")
    assert sent["message"] == message
    assert (sent["conversation_id"], sent["message"]["content"]) == (conversation_id, "Vanilla?")

    async with world.database.transaction() as tx:
        await world.messages.sent(tx, MessageId(message["message_id"]), origin_id="$1")
    delivered = await client.next("message.delivered")
    assert (delivered["message"]["status"], delivered["message"]["event_id"]) == ("delivered", "$1")
    assert delivered["number"] == sent["number"] + 1

    await heard(world, conversation_id, "Chocolate!", "$2")
    received = await client.next("message.received")
    assert (received["message"]["content"], received["message"]["sender_id"]) == ("Chocolate!", "u-anna")

    one = f"/api/v1/messages/{message['message_id']}"
    await api.send("PUT", one, {"sender_id": "u-anna", "text": "Or lemon?"})
    updated = await client.next("message.updated")
    assert (updated["message"]["content"], updated["message"]["is_edited"]) == ("Or lemon?", True)

    await api.request("DELETE", one)
    deleted = await client.next("message.deleted")
    assert (deleted["message"]["content"], deleted["message"]["is_deleted"]) == ("", True)
    assert len({frame["event_id"] for frame in client.events}) == len(client.events) == 5


async def test_a_booking_that_changes_is_told_by_its_id(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await world.settled(await opened(api))
    client = await crowd.connected(PARTY)
    assert await booked(world, conversation_id) == "b1"
    frame = await client.next("booking.updated")
    assert (frame["booking_id"], frame["conversation_id"]) == ("b1", conversation_id)
    assert set(frame) == {
        "type",
        "cursor",
        "event_id",
        "number",
        "occurred_at",
        "conversation_id",
        "booking_id",
    }


async def test_each_socket_tells_of_its_own(api: Api, crowd: Crowd) -> None:
    first = await opened(api, "p-1", "v-1")
    party, vendor, user = [await crowd.connected(path) for path in (PARTY, VENDOR, USER)]
    second = await opened(api, "p-1", "v-2")
    third = await opened(api, "p-2", "v-1")
    for text, conversation_id in (("one", first), ("two", second), ("three", third)):
        await said(api, conversation_id, text)
    await said(api, first, "the end")
    for client, told in ((party, ["one", "two", "the end"]), (vendor, ["one", "three", "the end"])):
        while client.texts("message.sent")[-1:] != ["the end"]:
            await client.read()
        assert client.texts("message.sent") == told
    every = {first, second, third}
    while (
        not {frame["conversation_id"] for frame in user.events} >= every
        or user.events[-1]["conversation"]["message_count"] < 2
    ):
        await user.read()
    # Of a person's notifications: which conversation looks different now, and nothing of what was said.
    assert {frame["type"] for frame in user.events} == {"conversation.updated"}
    assert {frame["conversation_id"] for frame in user.events} == every
    assert user.events[-1]["conversation"]["message_count"] == 2
    assert "the end" not in json.dumps(user.frames)


async def test_a_conversation_that_is_opened_is_told(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    await world.settled(await opened(api))
    client = await crowd.connected(PARTY)
    conversation_id = await opened(api, "p-1", "v-2")
    frame = await client.next("conversation.updated")
    assert frame["conversation"] == (await api.get(f"{CONVERSATIONS}/{conversation_id}")).json


async def test_a_message_that_is_sent_is_acknowledged_and_told(api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    client = await crowd.connected(PARTY)
    message = {"sender_id": "v-1", "text": "Hello"}
    ack = await client.ask(type="message.send", id="c-1", conversation_id=conversation_id, message=message)
    assert (ack["type"], ack["id"], ack["replayed"]) == ("ack", "c-1", False)
    page = (await api.get(f"{CONVERSATIONS}/{conversation_id}/messages")).json["messages"]
    assert page == [ack["message"]]
    while "message" not in client.frames[-1] or client.frames[-1]["type"] == "ack":
        await client.read()
    assert client.events[-1]["message"] == ack["message"]


async def test_what_is_to_be_said_later_is_acknowledged_as_that(api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    client = await crowd.connected(PARTY)
    message = {"sender_id": "v-1", "text": "Hello", "send_at": SOON}
    ack = await client.ask(type="message.send", id="c-1", conversation_id=conversation_id, message=message)
    listed = (await api.get("/api/v1/scheduled-messages")).json["scheduled_messages"]
    assert [ack["message"]] == listed
    assert (await api.get(f"{CONVERSATIONS}/{conversation_id}/messages")).json["messages"] == []


@both_databases
async def test_sent_again_it_is_one_message_by_whichever_way(api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    message = {"sender_id": "v-1", "text": "Hello"}
    frame = {"type": "message.send", "id": "c-1", "conversation_id": conversation_id, "message": message}
    first, second = await crowd.connected(PARTY), await crowd.connected(VENDOR)
    answers = [await client.ask(**frame) for client in (first, first, second)]
    assert [answer["replayed"] for answer in answers] == [False, True, True]
    by_rest = await api.post(f"{CONVERSATIONS}/{conversation_id}/messages", message, Idempotency_Key="c-1")
    assert by_rest.headers["Idempotency-Replayed"] == "true"
    by_alias = await api.http.post(
        f"/messaging/conversations/{conversation_id}/messages",
        json=message,
        headers={"Authorization": f"Bearer {api.key}", "Idempotency-Key": "c-1"},
    )
    assert by_alias.headers["Idempotency-Replayed"] == "true"
    ids = {answer["message"]["message_id"] for answer in answers} | {by_rest.json["message_id"]}
    assert len(ids) == 1
    reused = await first.ask(**(frame | {"message": {"sender_id": "v-1", "text": "Bye"}}))
    assert (reused["type"], reused["code"]) == ("error", "idempotency_key_reused")


async def test_what_was_acknowledged_outlives_the_token(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    token = world.person("u-anna")
    client = await crowd.connected(PARTY, token)
    ack = await client.ask(
        type="message.send", id="c-1", conversation_id=conversation_id, message={"text": "Hello"}
    )
    assert ack["message"]["sender_id"] == "u-anna"
    world.take_back(token)
    assert (await client.ended())[0] == 4401
    page = (await api.get(f"{CONVERSATIONS}/{conversation_id}/messages")).json["messages"]
    assert page == [ack["message"]]


async def test_a_revoked_token_ends_its_connection(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    await opened(api)
    phone, laptop = [world.sign_ins[OURS].token("u-anna", "host", sid=session) for session in ("s-1", "s-2")]
    lost, kept = [await crowd.connected(PARTY, token) for token in (phone, laptop)]
    await api.post("/api/v1/token-revocations", {"kind": "session", "value": "s-1"})
    assert (await lost.ended())[0] == 4401
    await said(api, await opened(api), "still there")
    assert (await kept.next("message.sent"))["message"]["content"] == "still there"


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        ("", "malformed_json", None),
        ("{", "malformed_json", None),
        ("[" * 100_000, "malformed_json", None),
        ("[]", "malformed_json", None),
        ("null", "malformed_json", None),
        ('{"type": NaN}', "malformed_json", None),
        ('{"type": "message.send", "type": "token.renew"}', "malformed_json", None),
        ('{"type": "\\ud800"}', "malformed_json", None),
        (b"\x00\xff", "malformed_json", None),
        ("{}", "unknown_frame", "type"),
        ('{"type": 1}', "unknown_frame", "type"),
        ('{"type": "message.sent"}', "unknown_frame", "type"),
        ('{"type": "conversation.join"}', "invalid_input", "conversation_id"),
        ('{"type": "conversation.join", "conversation_id": 5}', "invalid_input", "conversation_id"),
        ('{"type": "conversation.join", "conversation_id": "a/b"}', "invalid_input", "conversation_id"),
        ('{"type": "conversation.join", "conversation_id": "x"}', "not_found", "conversation_id"),
        ('{"type": "conversation.leave", "conversation_id": "x"}', "not_found", "conversation_id"),
        ('{"type": "conversation.join", "conversation_id": "x", "more": 1}', "invalid_input", "more"),
        ('{"type": "message.send", "conversation_id": "x", "message": {}}', "invalid_input", "id"),
        (
            '{"type": "message.send", "id": " ", "conversation_id": "x", "message": {"text": "a", "sender_id": "v-1"}}',
            "invalid_input",
            "id",
        ),
        (
            '{"type": "message.send", "id": "1", "conversation_id": "x", "message": {"text": "a"}}',
            "invalid_input",
            "sender_id",
        ),
        (
            '{"type": "message.send", "id": "1", "conversation_id": "x", "message": {"text": " ", "sender_id": "v-1"}}',
            "invalid_input",
            "text",
        ),
        (
            '{"type": "message.send", "id": "1", "conversation_id": "x", "message": {"text": "a", "sender_id": "v-1"}}',
            "not_found",
            "conversation_id",
        ),
        (
            '{"type": "message.read", "conversation_id": "x", "participant_id": "v-1"}',
            "not_found",
            "conversation_id",
        ),
        ('{"type": "message.read", "conversation_id": "x"}', "not_found", "conversation_id"),
        ('{"type": "message.read", "participant_id": "v-1"}', "invalid_input", "conversation_id"),
        (
            '{"type": "typing.start", "conversation_id": "x", "participant_id": "v-1"}',
            "not_found",
            "conversation_id",
        ),
        (
            '{"type": "typing.stop", "conversation_id": "x", "participant_id": "v-1"}',
            "not_found",
            "conversation_id",
        ),
        ('{"type": "typing.start", "conversation_id": "x", "typing": false}', "invalid_input", "typing"),
        ('{"type": "presence.update", "presence": "online"}', "invalid_input", "participant_id"),
        (
            '{"type": "presence.update", "participant_id": "x", "presence": "online"}',
            "not_found",
            "participant_id",
        ),
        (
            '{"type": "presence.update", "participant_id": "v-1", "presence": "here"}',
            "invalid_input",
            "presence",
        ),
        ('{"type": "typing.indicator"}', "unknown_frame", "type"),
        ('{"type": "token.renew", "token": "unknown"}', "unauthorized", "token"),
        ('{"type": "token.renew", "token": ""}', "invalid_input", "token"),
    ],
    ids=str,
)
async def test_a_bad_frame_is_refused_with_its_reason_and_nothing_is_changed(
    world: LiveWorld, api: Api, crowd: Crowd, frame: str | bytes, code: str, field: str | None
) -> None:
    conversation_id = await opened(api)
    client = await crowd.connected(PARTY)
    before = await everything(world, conversation_id)
    if isinstance(frame, bytes):
        await client.socket.send_bytes(frame)
    else:
        await client.socket.send_str(frame)
    error = await client.next("ack", "error")
    assert (error["type"], error["code"], error.get("field")) == ("error", code, field)
    assert error["detail"]
    assert await everything(world, conversation_id) == before
    # The connection goes on.
    ack = await client.ask(type="conversation.join", id="j", conversation_id=conversation_id)
    assert (ack["type"], ack["id"]) == ("ack", "j")


async def test_one_that_is_too_large_ends_the_connection(api: Api, crowd: Crowd) -> None:
    await opened(api)
    client = await crowd.connected(PARTY)
    await client.socket.send_str("x" * (LARGEST + 1))
    assert (await client.ended())[0] == 1009


async def test_who_leaves_a_conversation_is_told_no_more_of_it_until_they_join_again(
    api: Api, crowd: Crowd
) -> None:
    first, second = await opened(api, "p-1", "v-1"), await opened(api, "p-1", "v-2")
    client = await crowd.connected(PARTY)

    async def say(text: str, conversation_id: str) -> None:
        await said(api, conversation_id, text)

    assert (await client.ask(type="conversation.leave", conversation_id=first))["type"] == "ack"
    await say("unheard", first)
    await say("heard", second)
    await client.next("message.sent")
    assert (await client.ask(type="conversation.join", conversation_id=first))["type"] == "ack"
    await say("heard again", first)
    await client.next("message.sent")
    assert client.texts("message.sent") == ["heard", "heard again"]


async def test_a_socket_joins_only_what_is_its_own(api: Api, crowd: Crowd) -> None:
    await opened(api)
    elsewhere = await opened(api, "p-2", "v-1")
    client = await crowd.connected(PARTY)
    answer = await client.ask(type="conversation.join", conversation_id=elsewhere)
    assert (answer["type"], answer["code"]) == ("error", "not_found")


async def test_who_reads_too_slowly_is_told_and_misses_nothing(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await opened(api)
    client = await crowd.connected(PARTY)
    client.checks = False
    (session,) = world.live.hub.present.all()
    server_side: Any = vars(session)["_socket"]._req.transport
    server_side.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    connection: Any = client.socket._response.connection
    connection.transport.pause_reading()
    conversation = await conversation_of(world, conversation_id)
    texts = [f"{number} " + "x" * 900 for number in range(2_000)]
    for begin in range(0, len(texts), 100):
        async with world.database.transaction() as tx:
            for one in texts[begin : begin + 100]:
                await world.messages.announce(tx, conversation, text=one)
    await until(lambda: not world.live.hub.present)
    connection.transport.resume_reading()
    code, reason = await client.ended()
    assert (code, "slowly" in reason) == (4413, True)
    assert len(client.events) < len(texts)
    await client.connect()
    while (await client.next("message.sent"))["message"]["content"] != texts[-1]:
        pass
    assert client.texts("message.sent") == texts


async def test_who_goes_on_sending_beyond_the_limit_is_put_off_then_ended(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    await opened(api)
    limited = Pace(requests=1_000, messages=1_000, frames=3)
    vars(world.pace).update(vars(limited))
    client, other = await crowd.connected(PARTY), await crowd.connected(PARTY)
    answers = [await client.ask(type="?") for _ in range(4)]
    assert [answer["code"] for answer in answers] == ["unknown_frame"] * 3 + ["rate_limited"]
    assert 1 <= answers[-1]["retry_after"] <= 60
    assert (await other.ask(type="?"))["code"] == "unknown_frame"
    for _ in range(30):
        await client.socket.send_str("{}")
    assert (await client.ended())[0] == 4429


@pytest.mark.parametrize("pulse", [replace(PULSE, heartbeat=0.5)])
async def test_who_answers_no_ping_is_gone(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    await opened(api)
    await crowd.connected(PARTY, autoping=False)
    assert world.live.hub.present
    await until(lambda: not world.live.hub.present)


async def test_a_bridge_that_stops_sends_everybody_away(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    await opened(api)
    client = await crowd.connected(PARTY)
    world.live.hub.close()
    assert (await client.ended())[0] == 1001


async def test_nothing_said_here_is_heard_in_another_tenant(api: Api, theirs: Api, crowd: Crowd) -> None:
    ours, others = await opened(api), await opened(theirs)
    client, stranger = await crowd.connected(PARTY), await crowd.connected(PARTY, theirs.key)
    await said(api, ours, "ours")
    await said(theirs, others, "theirs")
    assert (await client.next("message.sent"))["message"]["content"] == "ours"
    assert (await stranger.next("message.sent"))["message"]["content"] == "theirs"
    assert THEIRS not in json.dumps(client.frames)
