"""Edits and deletions by the API, into the room: by who said it there, encrypted, once, and after what they change."""

import json
from typing import Any

import pytest

from appservice.homeserver import HomeserverUnavailable
from bridge.delivery.dispatcher import Retry
from tests.appservice.changes.room import GHOST, HOUR, Conversation
from tests.appservice.encryption.engine import BOT, TENANT
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import TALK
from tests.bridge.conversations.features import person
from tests.databases import both_databases
from tests.fakes.homeserver import Json, Moment

MOMENTS: tuple[Moment, Moment] = ("before", "after")


async def read(anna: Party, event: Json) -> Any:
    await anna.sync()
    return anna.read(event)["content"]


@both_databases
async def test_an_edit_replaces_the_message_in_the_same_voice(talk: Conversation, anna: Party) -> None:
    message_id = await talk.post("Vanilla?")
    await talk.go_out()
    await talk.edit(message_id, "Chocolate?")
    await talk.go_out()

    said, edit = talk.in_room()
    relation = {"rel_type": "m.replace", "event_id": said["event_id"]}
    assert [said["sender"], edit["sender"]] == [GHOST, GHOST]
    assert edit["content"]["m.relates_to"] == relation  # for homeservers and clients to see
    content = await read(anna, edit)
    assert content["m.relates_to"] == relation
    assert content["m.new_content"] == {"msgtype": "m.text", "body": "Chocolate?", "m.mentions": {}}
    assert content["body"] == "* Chocolate?"
    assert "Chocolate" not in json.dumps(edit)
    assert set(said["content"]) == set(edit["content"]) - {"m.relates_to"}


async def test_each_edit_says_its_own_text_after_its_message(talk: Conversation, anna: Party) -> None:
    message_id = await talk.post("Vanilla?")
    await talk.edit(message_id, "Chocolate?")
    talk.clock.advance(1)
    await talk.edit(message_id, "Marzipan?")
    await talk.go_out()
    said, first, second = talk.in_room()
    assert [(await read(anna, one))["m.new_content"]["body"] for one in (first, second)] == [
        "Chocolate?",
        "Marzipan?",
    ]
    assert {one["content"]["m.relates_to"]["event_id"] for one in (first, second)} == {said["event_id"]}


async def test_for_an_account_holder_festimo_edits_what_it_said(talk: Conversation, anna: Party) -> None:
    message_id = await talk.post("How much?", sender="anna")
    await talk.edit(message_id, "How much is it?", sender="anna")
    await talk.go_out()
    _, edit = talk.in_room()
    assert edit["sender"] == BOT
    assert (await read(anna, edit))["m.new_content"]["body"] == "Anna: How much is it?"


async def test_a_ghosts_message_is_edited_by_the_ghost_when_the_person_has_an_account_since(
    talk: Conversation, anna: Party
) -> None:
    message_id = await talk.post("Vanilla?")
    await talk.go_out()
    async with talk.engine.database.transaction() as tx:
        await talk.features.participants.put(
            tx, person("chef", "Sweet Bites", mxid="@chef:people.test", tenant=TENANT)
        )
    await talk.edit(message_id, "Chocolate?")
    await talk.go_out()
    _, edit = talk.in_room()
    assert edit["sender"] == GHOST
    assert (await read(anna, edit))["m.new_content"]["body"] == "Chocolate?"


@pytest.mark.parametrize("moment", MOMENTS)
async def test_an_edit_whose_answer_was_lost_is_there_once(
    talk: Conversation, anna: Party, moment: Moment
) -> None:
    message_id = await talk.post("Vanilla?")
    await talk.go_out()
    await talk.edit(message_id, "Chocolate?")
    talk.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.go_out()
    assert len(talk.in_room()) == 2
    assert (await read(anna, talk.in_room()[1]))["m.new_content"]["body"] == "Chocolate?"


@both_databases
async def test_a_deletion_redacts_the_message_and_all_its_edits(talk: Conversation, anna: Party) -> None:
    message_id = await talk.post("Vanilla?")
    await talk.edit(message_id, "Chocolate?")
    await talk.go_out()
    await talk.delete(message_id)
    await talk.go_out()
    said, edit = talk.in_room()
    assert (said["content"], edit["content"]) == ({}, {})
    assert talk.homeserver.calls("redact") == [(GHOST, said["event_id"]), (GHOST, edit["event_id"])]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("which", [1, 2])
async def test_a_redaction_whose_answer_was_lost_is_there_once(
    talk: Conversation, anna: Party, moment: Moment, which: int
) -> None:
    message_id = await talk.post("Vanilla?")
    await talk.edit(message_id, "Chocolate?")
    await talk.go_out()
    await talk.delete(message_id)
    calls = 0

    def lose(call: str, at: Moment) -> None:
        nonlocal calls
        if (call, at) == ("redact", moment):
            calls += 1
            if calls == which:
                raise HomeserverUnavailable("no answer")

    talk.homeserver.on_moment = lose
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.go_out()
    redacted = [event_id for _, event_id in talk.homeserver.calls("redact")]
    assert redacted == [event["event_id"] for event in talk.in_room()]


async def test_what_is_deleted_before_it_was_sent_is_never_said(talk: Conversation, anna: Party) -> None:
    message_id = await talk.post("Vanilla?")
    await talk.edit(message_id, "Chocolate?")
    await talk.delete(message_id)
    await talk.go_out()
    assert (talk.in_room(), talk.homeserver.calls("redact")) == ([], [])
    message = await talk.message(message_id)
    assert (message.status, message.failure_reason) == ("failed", "deleted before it was sent")


@pytest.mark.parametrize("moment", MOMENTS)
async def test_what_may_be_in_the_room_already_is_redacted(
    talk: Conversation, anna: Party, moment: Moment
) -> None:
    """Encrypted, and the answer to its sending lost: it may be there, so it is sent again and then redacted."""
    message_id = await talk.post("Vanilla?")
    talk.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.delete(message_id)
    await talk.go_out()
    (said,) = talk.in_room()
    assert said["content"] == {}


async def test_an_edit_that_may_be_in_the_room_already_is_redacted(talk: Conversation, anna: Party) -> None:
    message_id = await talk.post("Vanilla?")
    await talk.go_out()
    await talk.edit(message_id, "Chocolate?")
    talk.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment="after")
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.delete(message_id)
    await talk.go_out()
    assert [event["content"] for event in talk.in_room()] == [{}, {}]


async def test_what_somebody_wrote_in_their_client_is_redacted_by_the_bot(
    talk: Conversation, anna: Party
) -> None:
    await anna.send_room_key(BOT, TALK)
    await talk.synced()
    await talk.deliver(talk.event(anna, "$1", "Vegan?"))
    await talk.deliver(talk.edited(anna, "$2", "Vegetarian?", of="$1"))
    (message,) = await talk.features.history(talk.conversation)
    await talk.delete(message.message_id, sender="anna")
    await talk.go_out()
    assert talk.homeserver.calls("redact") == [(BOT, "$1"), (BOT, "$2")]
    # The homeserver tells us of what we did.
    before = await talk.features.everything()
    await talk.deliver(talk.redaction("$3", "$1", sender=BOT))
    assert await talk.features.everything() == before


async def test_staff_deletes_whatever_was_said_whenever(talk: Conversation, anna: Party) -> None:
    message_id = await talk.post("How much?", sender="anna")
    await talk.go_out()
    talk.clock.advance(1000 * HOUR)
    await talk.delete(message_id, sender=None)
    await talk.go_out()
    (said,) = talk.in_room()
    assert (said["sender"], said["content"]) == (BOT, {})


async def test_a_long_text_becomes_a_file_in_an_edit_too(talk: Conversation, anna: Party) -> None:
    talk.features.changes._max_text_length = 40_000
    message_id = await talk.post("Vanilla?")
    await talk.edit(message_id, "🎂" * 10_000)
    await talk.go_out()
    _, edit = talk.in_room()
    content = await read(anna, edit)
    assert content["m.new_content"]["msgtype"] == "m.file"
    assert (content["msgtype"], len(content["body"])) == ("m.text", 504)
    assert len(json.dumps(edit)) < 65_536
