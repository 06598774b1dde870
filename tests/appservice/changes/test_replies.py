"""Replies, threads, mentions and formatted text, into the room and out of it."""

import json
from typing import Any

import pytest

from bridge.core.ids import ParticipantId
from bridge.messages.model import Delivery, Message
from bridge.messages.views import view_of
from tests.appservice.changes.room import GHOST, Conversation
from tests.appservice.changes.test_from_our_side import read
from tests.appservice.changes.test_in_clients import key
from tests.appservice.encryption.engine import BOT
from tests.appservice.encryption.party import Party, text_message
from tests.appservice.encryption.reader import ANNA
from tests.databases import both_databases

CHEF_ID = ParticipantId("chef")
ANNA_ID = ParticipantId("anna")


async def received(talk: Conversation) -> Message:
    return (await talk.features.history(talk.conversation))[-1]


# Into the room


@both_databases
async def test_a_reply_is_one_in_the_room(talk: Conversation, anna: Party) -> None:
    await key(talk, anna)
    await talk.deliver(talk.event(anna, "$1", "Vegan?"))
    question = await received(talk)
    await talk.post("With pleasure", reply_to=question.message_id)
    await talk.go_out()
    (reply,) = talk.in_room()
    relation = {"m.in_reply_to": {"event_id": "$1"}}
    assert reply["content"]["m.relates_to"] == relation
    content = await read(anna, reply)
    assert content == text_message("With pleasure") | {"m.mentions": {}, "m.relates_to": relation}


async def test_what_is_answered_may_go_out_just_before(talk: Conversation, anna: Party) -> None:
    question = await talk.post("How much?", sender="anna")
    await talk.post("3840", reply_to=question)
    await talk.go_out()
    first, second = talk.in_room()
    assert second["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": first["event_id"]}}


async def test_an_answer_to_what_never_came_into_the_room_is_a_plain_message(
    talk: Conversation, anna: Party
) -> None:
    question = await talk.post("How much?", sender="anna")
    await talk.post("3840", reply_to=question)
    await talk.delete(question, sender="anna")
    await talk.go_out()
    (said,) = talk.in_room()
    assert "m.relates_to" not in said["content"]
    assert (await read(anna, said))["body"] == "3840"


async def test_a_thread_shows_its_last_message_to_clients_that_know_none(
    talk: Conversation, anna: Party
) -> None:
    root = await talk.post("Cakes")
    first = await talk.post("Vanilla", thread_id=root)
    await talk.post("Chocolate", thread_id=root)
    await talk.post("Vanilla it is", reply_to=first)
    await talk.go_out()
    events = talk.in_room()
    ids = [event["event_id"] for event in events]
    shown = [(await read(anna, event)).get("m.relates_to") for event in events]
    assert shown == [
        None,
        *(
            {
                "rel_type": "m.thread",
                "event_id": ids[0],
                "is_falling_back": falling_back,
                "m.in_reply_to": {"event_id": before},
            }
            for before, falling_back in ((ids[0], True), (ids[1], True), (ids[1], False))
        ),
    ]
    assert [event["content"].get("m.relates_to") for event in events] == shown


@both_databases
async def test_who_is_mentioned_is_told_by_their_account_or_their_ghost(
    talk: Conversation, anna: Party
) -> None:
    message_id = await talk.post("Anna? Chef?", mentions=[ANNA_ID, CHEF_ID])
    await talk.go_out()
    await talk.edit(message_id, "Anna! Chef!")
    await talk.go_out()
    said, edit = [await read(anna, event) for event in talk.in_room()]
    assert said["m.mentions"] == {"user_ids": [ANNA, GHOST]}
    assert (edit["m.mentions"], edit["m.new_content"]["m.mentions"]) == ({}, {"user_ids": [ANNA, GHOST]})


async def test_formatted_text_goes_out_clean(talk: Conversation, anna: Party) -> None:
    harmful = "<b>80</b> guests<script>alert(1)</script>"
    message_id = await talk.post("80 guests", html=harmful)
    await talk.post("80 < 90", html="80 &lt; 90", sender="anna")
    await talk.go_out()
    await talk.edit(message_id, "90 guests", html="<i onclick=x>90</i> guests")
    await talk.go_out()
    said, for_anna, edit = [await read(anna, event) for event in talk.in_room()]
    assert (said["format"], said["formatted_body"]) == ("org.matrix.custom.html", "<b>80</b> guests")
    assert (for_anna["body"], for_anna["formatted_body"]) == ("Anna: 80 < 90", "Anna: 80 &lt; 90")
    assert edit["m.new_content"]["formatted_body"] == "<i>90</i> guests"
    assert "guests" not in json.dumps(talk.in_room()[0])


async def test_what_is_too_long_formatted_goes_as_it_is(talk: Conversation, anna: Party) -> None:
    talk.features.messages.checks._max_text_length = 20_000
    await talk.post("x" * 20_000, html="<b>" + "y" * 15_000 + "</b>")
    await talk.go_out()
    (said,) = talk.in_room()
    content = await read(anna, said)
    assert (content["msgtype"], len(content["body"]), "formatted_body" in content) == (
        "m.text",
        20_000,
        False,
    )


# Out of the room


@both_databases
async def test_a_clients_reply_names_what_it_answers(talk: Conversation, anna: Party) -> None:
    question = await talk.post("Vegan?")
    await talk.go_out()
    (said,) = talk.in_room()
    await key(talk, anna)
    relation = {"m.in_reply_to": {"event_id": said["event_id"]}}
    await talk.deliver(talk.said(anna, "$2", "Yes", **{"m.relates_to": relation}))
    reply = await received(talk)
    assert (reply.text, reply.reply_to, reply.thread_id) == ("Yes", question, None)


async def test_a_clients_reply_comes_before_what_it_answers(talk: Conversation, anna: Party) -> None:
    await key(talk, anna)
    original = talk.event(anna, "$1", "Vegan?")
    relation = {"m.in_reply_to": {"event_id": "$1"}}
    await talk.deliver(talk.said(anna, "$2", "Anybody?", **{"m.relates_to": relation}))
    assert (await received(talk)).text == "Anybody?"  # nobody waits for it
    await talk.deliver(original)
    reply, question = await talk.features.history(talk.conversation)
    assert reply.reply_to == question.message_id


IN_THREAD = {"rel_type": "m.thread", "event_id": "$1"}
RELATIONS: dict[str, tuple[Any, bool, bool]] = {
    "in a thread": (IN_THREAD, False, True),
    "and what older clients show": (
        IN_THREAD | {"is_falling_back": True, "m.in_reply_to": {"event_id": "$1"}},
        False,
        True,
    ),
    "an answer in a thread": (
        IN_THREAD | {"is_falling_back": False, "m.in_reply_to": {"event_id": "$1"}},
        True,
        True,
    ),
    "that does not say what it is": (IN_THREAD | {"m.in_reply_to": {"event_id": "$1"}}, True, True),
    "another kind of relation": ({"rel_type": "m.reference", "event_id": "$1"}, False, False),
    "a reply to no event": ({"m.in_reply_to": {"event_id": "hello"}}, False, False),
    "to what cannot be an id": ({"m.in_reply_to": {"event_id": "$\0"}}, False, False),
    "to a number": ({"m.in_reply_to": 5}, False, False),
    "no relation": ("$1", False, False),
}


@pytest.mark.parametrize(("relation", "replies", "in_thread"), RELATIONS.values(), ids=RELATIONS)
async def test_what_a_client_relates_to(
    talk: Conversation, anna: Party, relation: Any, *, replies: bool, in_thread: bool
) -> None:
    await key(talk, anna)
    await talk.deliver(talk.event(anna, "$1", "Cakes"))
    root = await received(talk)
    await talk.deliver(talk.said(anna, "$2", "Vanilla", **{"m.relates_to": relation}))
    message = await received(talk)
    assert message.text == "Vanilla"
    assert message.reply_to == (root.message_id if replies else None)
    assert message.thread_id == (root.message_id if in_thread else None)


async def test_a_relation_beside_the_ciphertext_only_counts_for_nothing(
    talk: Conversation, anna: Party
) -> None:
    await key(talk, anna)
    await talk.deliver(talk.event(anna, "$1", "Vegan?"))
    beside = {"m.relates_to": {"m.in_reply_to": {"event_id": "$1"}}}
    await talk.deliver(talk.said(anna, "$2", "Yes", beside=beside))
    assert (await received(talk)).reply_to is None


QUOTED = "> <@chef:people.test> Vanilla?\n> Or not?\n\nYes\n> really"
BODIES: list[tuple[str, bool, str]] = [
    (QUOTED, True, "Yes\n> really"),
    (QUOTED, False, QUOTED),  # who answers nothing quotes
    ("> * <@chef:people.test> waves\n\nHi", True, "Hi"),
    ("> <@chef:people.test> Hi\nno empty line", True, "no empty line"),
    ("> not by a client\n\nYes", True, "> not by a client\n\nYes"),
    ("> <@chef:people.test> all is quoted", True, "> <@chef:people.test> all is quoted"),
    ("> <@chef:people.test> and nothing said\n\n", True, "> <@chef:people.test> and nothing said\n\n"),
]


@pytest.mark.parametrize(("body", "is_reply", "text"), BODIES)
async def test_what_older_clients_repeat_before_an_answer_is_left_out(
    talk: Conversation, anna: Party, body: str, text: str, *, is_reply: bool
) -> None:
    await key(talk, anna)
    relation = {"m.relates_to": {"m.in_reply_to": {"event_id": "$1"}}} if is_reply else {}
    await talk.deliver(talk.said(anna, "$2", body, **relation))
    assert (await received(talk)).text == text


async def test_who_is_mentioned_in_a_client(talk: Conversation, anna: Party) -> None:
    await key(talk, anna)
    users = {"user_ids": [GHOST, ANNA, BOT, "@mallory:people.test", 5]}
    await talk.deliver(talk.said(anna, "$1", "Chef?", **{"m.mentions": users}))
    assert (await received(talk)).mentions == (ANNA_ID, CHEF_ID)
    nothing: list[Any] = [None, [], {"user_ids": "x"}, {"room": True}]
    for number, nonsense in enumerate(nothing):
        await talk.deliver(talk.said(anna, f"$n{number}", "All?", **{"m.mentions": nonsense}))
        assert (await received(talk)).mentions == ()
    assert await talk.dead() == []


async def test_formatted_text_comes_in_clean(talk: Conversation, anna: Party) -> None:
    await key(talk, anna)
    harmful = "<b>80</b><img src=x onerror=y>\ud800"
    formatted: dict[str, Any] = {"format": "org.matrix.custom.html", "formatted_body": harmful}
    await talk.deliver(talk.said(anna, "$1", "80", **formatted))
    assert (await received(talk)).html == "<b>80</b>?"
    edit = talk.edited(
        anna, "$2", "90", of="$1", inside={"m.new_content": text_message("90") | formatted | {"body": "90"}}
    )
    await talk.deliver(edit)
    assert ((await received(talk)).text, (await received(talk)).html) == ("90", "<b>80</b>?")
    others: list[dict[str, Any]] = [{"format": "text/html"}, {"formatted_body": 5}, {"formatted_body": ""}]
    for number, other in enumerate(others):
        await talk.deliver(talk.said(anna, f"$n{number}", "80", **(formatted | other)))
        assert (await received(talk)).html is None
    assert await talk.dead() == []


async def test_half_a_character_comes_in_as_a_question_mark(talk: Conversation, anna: Party) -> None:
    """JSON can hold it, and no answer of the API could."""
    await key(talk, anna)
    await talk.deliver(talk.said(anna, "$1", "80\ud800"))
    message = await received(talk)
    assert (
        json.loads(view_of(message, Delivery(status="sent", read_at=None, recipients=())).model_dump_json())[
            "content"
        ]
        == "80?"
    )
