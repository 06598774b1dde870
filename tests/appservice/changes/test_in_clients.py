"""Edits and redactions made in a client: taken in, refused without a trace, or answered with a notice."""

from collections.abc import Callable
from typing import Any

import pytest

from appservice.inbound.late import DELETION, EDIT, NO_TEXT, NOT_YOURS, UNFIT
from bridge.messages.rules import MAX_TEXT_LENGTH
from tests.appservice.changes.room import HOUR, MINUTE, Conversation
from tests.appservice.encryption.engine import BOT
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA, TALK
from tests.databases import both_databases
from tests.fakes.homeserver import Json

MALLORY = "@mallory:people.test"


async def key(talk: Conversation, party: Party) -> None:
    await party.send_room_key(BOT, TALK)
    await talk.synced()


async def said(talk: Conversation, anna: Party, text: str = "Vegan?", event_id: str = "$1") -> None:
    await key(talk, anna)
    await talk.deliver(talk.event(anna, event_id, text))
    assert (await talk.read())[-1] == text


async def everything(talk: Conversation) -> Any:
    """What a refusal must not change: all that is said, and all that is to be told."""
    return await talk.features.everything()


@both_databases
async def test_an_edit_changes_our_copy(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    talk.clock.advance(15 * MINUTE)
    await talk.deliver(talk.edited(anna, "$2", "Vegetarian?", of="$1"))
    (message,) = await talk.features.history(talk.conversation)
    assert (message.text, message.edited_at) == ("Vegetarian?", talk.clock.now())
    await talk.go_out()
    assert talk.in_room() == []  # it is there already


async def test_a_late_edit_leaves_our_copy_and_is_answered_once(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    talk.clock.advance(15 * MINUTE + 1)
    await talk.deliver(talk.edited(anna, "$2", "Vegetarian?", of="$1"))
    assert await talk.read() == ["Vegan?"]
    assert await talk.told() == [EDIT]
    assert await talk.dead() == []
    await talk.go_out()
    (notice,) = talk.in_room()
    await anna.sync()
    assert anna.read(notice)["content"]["body"] == EDIT
    await talk.deliver(talk.edited(anna, "$3", "Vegetarian!", of="$1"))
    assert await talk.told() == [EDIT, EDIT]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("🎂" * MAX_TEXT_LENGTH, None),
        ("🎂" * (MAX_TEXT_LENGTH + 1), "The text has 10001 characters; 10000 are allowed."),
        (" \n", "The text is empty."),
    ],
    ids=["as long as may be", "too long", "blank"],
)
async def test_an_edit_that_breaks_the_limits_of_a_text_leaves_our_copy_and_is_answered(
    talk: Conversation, anna: Party, text: str, reason: str | None
) -> None:
    await said(talk, anna)
    await talk.deliver(talk.edited(anna, "$2", text, of="$1"))
    assert await talk.read() == ([text] if reason is None else ["Vegan?"])
    told = await talk.told()
    assert len(told) == (0 if reason is None else 1)
    if reason is not None:
        assert told[0].startswith(NO_TEXT.format(reason=reason))
    assert await talk.dead() == []


Spoil = Callable[[Conversation, Party], Json]
REFUSED: dict[str, Spoil] = {
    "by its cleartext relation only": lambda talk, anna: talk.edited(
        anna, "$2", "No", of="$1", inside={"m.relates_to": {"rel_type": "m.thread", "event_id": "$1"}}
    ),
    "of another edit": lambda talk, anna: talk.edited(anna, "$2", "No", of="$edit"),
    "of nothing": lambda talk, anna: talk.edited(anna, "$2", "No", of=None),
    "of what cannot be an id": lambda talk, anna: talk.edited(anna, "$2", "No", of="$\0"),
    "without new content": lambda talk, anna: talk.edited(
        anna, "$2", "No", of="$1", inside={"m.new_content": None}
    ),
    "into something that is no text": lambda talk, anna: talk.edited(
        anna, "$2", "No", of="$1", inside={"m.new_content": {"msgtype": "m.image", "body": "No"}}
    ),
    "with a text that is none": lambda talk, anna: talk.edited(
        anna, "$2", "No", of="$1", inside={"m.new_content": {"msgtype": "m.text", "body": 5}}
    ),
}


@pytest.mark.parametrize("spoil", REFUSED.values(), ids=REFUSED)
async def test_what_is_no_edit_changes_nothing(talk: Conversation, anna: Party, spoil: Spoil) -> None:
    await said(talk, anna)
    await talk.deliver(talk.edited(anna, "$edit", "Vegetarian?", of="$1"))
    await talk.deliver(spoil(talk, anna))
    assert (await talk.read())[0] == "Vegetarian?"
    assert await talk.told() == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("🎂" * MAX_TEXT_LENGTH, None),
        ("🎂" * (MAX_TEXT_LENGTH + 1), "The text has 10001 characters; 10000 are allowed."),
        ("\u200b\n", "The text is empty."),
    ],
    ids=["as long as may be", "too long", "blank"],
)
async def test_what_is_said_beyond_the_limits_of_a_text_is_kept_and_answered(
    talk: Conversation, anna: Party, text: str, reason: str | None
) -> None:
    await key(talk, anna)
    await talk.deliver(talk.event(anna, "$1", text))
    assert await talk.read() == [text]
    told = await talk.told()
    assert len(told) == (0 if reason is None else 1)
    assert all(one.startswith(UNFIT.format(reason=reason)) for one in told)
    assert await talk.dead() == []


async def test_what_a_program_says_beyond_them_is_not_answered(talk: Conversation, anna: Party) -> None:
    await key(talk, anna)
    await talk.deliver(talk.said(anna, "$1", " ", msgtype="m.notice"))
    assert (await talk.read(), await talk.told()) == ([" "], [])


async def test_an_edit_of_what_another_said_is_answered(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    mallory = await talk.joined(MALLORY)
    await key(talk, mallory)
    await talk.deliver(talk.edited(mallory, "$2", "Mine", of="$1"))
    assert (await talk.read(), await talk.told()) == (["Vegan?"], [NOT_YOURS])


async def test_nobody_redacts_what_another_said_or_edits_it_in_their_name(
    talk: Conversation, anna: Party
) -> None:
    await said(talk, anna)
    mallory = await talk.joined(MALLORY)
    await key(talk, mallory)
    before = await everything(talk)
    await talk.deliver(talk.redaction("$3", "$1", sender=MALLORY))
    # The key is not of a device of hers.
    await talk.deliver(talk.edited(mallory, "$4", "Mine", of="$1", sender=ANNA))
    assert await everything(talk) == before


async def test_an_edit_in_clear_changes_nothing(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    before = await everything(talk)
    edit = talk.edited(anna, "$2", "Vegetarian?", of="$1")
    content = {
        "msgtype": "m.text",
        "body": "* Vegetarian?",
        "m.new_content": {"msgtype": "m.text", "body": "Vegetarian?"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"},
    }
    await talk.deliver(edit | {"type": "m.room.message", "content": content})
    assert await everything(talk) == before


@both_databases
async def test_an_edit_waits_for_its_message(talk: Conversation, anna: Party) -> None:
    await key(talk, anna)
    original = talk.event(anna, "$1", "Vegan?")
    await talk.deliver(talk.edited(anna, "$2", "Vegetarian?", of="$1"))
    assert await talk.state_of("$2") == "parked"
    await talk.deliver(original)
    assert await talk.read() == ["Vegetarian?"]
    assert await talk.state_of("$2") == "done"


@both_databases
async def test_an_edit_waits_for_a_message_that_waits_for_its_key(talk: Conversation, anna: Party) -> None:
    first_key = anna.room_key(TALK)
    original = talk.event(anna, "$1", "Vegan?")
    del anna.outbound[TALK]
    await talk.deliver(original)
    await key(talk, anna)  # of the next session, in which the edit is
    await talk.deliver(talk.edited(anna, "$2", "Vegetarian?", of="$1"))
    assert [await talk.state_of(one) for one in ("$1", "$2")] == ["parked", "parked"]
    await anna.send_room_key(BOT, TALK, first_key)
    await talk.synced()
    assert await talk.read() == ["Vegetarian?"]


@both_databases
async def test_a_redaction_deletes_our_copy(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    await talk.deliver(talk.edited(anna, "$2", "Vegetarian?", of="$1"))
    talk.clock.advance(HOUR)
    await talk.deliver(talk.redaction("$3", "$1"))
    (message,) = await talk.features.history(talk.conversation)
    assert (message.text, message.is_deleted) == ("", True)
    await talk.go_out()
    assert (talk.in_room(), talk.homeserver.calls("redact")) == ([], [])


async def test_in_rooms_before_version_11_the_event_stands_beside_the_content(
    talk: Conversation, anna: Party
) -> None:
    await said(talk, anna)
    await talk.deliver(talk.redaction("$3", None, content={"reason": "typo"}, redacts="$1"))
    assert await talk.read() == [""]


async def test_a_late_redaction_leaves_our_copy_and_is_answered(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    talk.clock.advance(HOUR + 1)
    await talk.deliver(talk.redaction("$3", "$1"))
    assert await talk.read() == ["Vegan?"]
    assert await talk.told() == [DELETION]


@pytest.mark.parametrize(
    ("levels", "deleted"),
    [
        ({"redact": 100, "users": {MALLORY: 100}}, True),
        ({"redact": 100, "users_default": 100}, True),
        ({"users": {MALLORY: 50}}, True),
        ({"redact": 100, "users": {MALLORY: 99}}, False),
        ({"redact": 100}, False),
        ({}, False),
        ({"redact": "0", "users": {MALLORY: 100}}, False),
    ],
)
async def test_who_may_redact_in_the_room_always_deletes(
    talk: Conversation, anna: Party, levels: Json, *, deleted: bool
) -> None:
    await said(talk, anna)
    talk.homeserver.rooms[TALK].state.append(
        {"type": "m.room.power_levels", "state_key": "", "content": levels}
    )
    talk.clock.advance(100 * HOUR)
    await talk.deliver(talk.redaction("$3", "$1", sender=MALLORY))
    assert await talk.read() == ["" if deleted else "Vegan?"]
    assert await talk.told() == []


async def test_the_bot_always_deletes(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    talk.clock.advance(100 * HOUR)
    await talk.deliver(talk.redaction("$3", "$1", sender=BOT))
    assert await talk.read() == [""]


async def test_a_redaction_waits_for_its_message(talk: Conversation, anna: Party) -> None:
    await key(talk, anna)
    original = talk.event(anna, "$1", "Vegan?")
    edit = talk.edited(anna, "$2", "Vegetarian?", of="$1")
    await talk.deliver(talk.redaction("$3", "$1"))
    await talk.deliver(edit)
    await talk.deliver(original)
    assert await talk.read() == [""]
    assert [await talk.state_of(one) for one in ("$1", "$2", "$3")] == ["done"] * 3
    assert b"Veg" not in repr(await everything(talk)).encode()


@both_databases
async def test_a_redaction_drops_what_waits_for_its_key(talk: Conversation, anna: Party) -> None:
    await talk.deliver(talk.event(anna, "$1", "Vegan?"))
    assert await talk.state_of("$1") == "parked"
    # Nobody else can make it so.
    await talk.deliver(talk.redaction("$2", "$1", sender=MALLORY))
    assert await talk.state_of("$1") == "parked"
    await talk.deliver(talk.redaction("$3", "$1"))
    rows = await talk.engine.database.fetch("SELECT state, body FROM inbox WHERE id = $1", "matrix:$1")
    assert [(row["state"], row["body"]) for row in rows] == [("done", None)]
    assert await talk.engine.rows("undecryptable_events") == []
    await key(talk, anna)
    assert await talk.read() == []


async def test_what_the_homeserver_has_emptied_already_is_no_dead_letter(
    talk: Conversation, anna: Party
) -> None:
    await talk.deliver(talk.redaction("$2", "$1"))
    left = talk.event(anna, "$1", "Vegan?") | {"content": {}}
    await talk.deliver(left | {"unsigned": {"redacted_because": talk.redaction("$2", "$1")}})
    assert [await talk.state_of(one) for one in ("$1", "$2")] == ["done", "done"]
    assert await talk.read() == []


NOTHING = {
    "no event": None,
    "a number": 5,
    "what cannot be an id": "$\0",
    "what is no id": "hello",
}


@pytest.mark.parametrize("redacts", NOTHING.values(), ids=NOTHING)
async def test_redactions_of_what_is_no_message_are_ignored(
    talk: Conversation, anna: Party, redacts: object
) -> None:
    await said(talk, anna)
    before = await everything(talk)
    await talk.deliver(talk.redaction("$3", redacts))
    assert await everything(talk) == before
    assert (await talk.state_of("$3"), await talk.dead()) == ("done", [])


async def test_what_a_program_edits_is_answered_no_more_than_what_it_says(
    talk: Conversation, anna: Party
) -> None:
    """An edit is no new message: nobody is greeted or helped for it."""
    await said(talk, anna)
    await talk.deliver(talk.edited(anna, "$2", "!festimo help", of="$1"))
    assert [name for name, _ in await talk.features.told() if name.startswith("festimo.")] == []
