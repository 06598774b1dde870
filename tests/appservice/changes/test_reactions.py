"""Reactions: by the API into the room, by clients out of it, counted once, and there once whatever is killed."""

from typing import Any

import pytest

from appservice.homeserver import HomeserverUnavailable
from bridge.core.ids import MessageId
from bridge.delivery.dispatcher import Retry
from tests.appservice.changes.room import GHOST, Conversation
from tests.appservice.changes.test_from_our_side import MOMENTS
from tests.appservice.changes.test_in_clients import MALLORY, key, said
from tests.appservice.encryption.engine import BOT, TENANT
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA
from tests.bridge.conversations.features import person
from tests.databases import both_databases
from tests.fakes.homeserver import Moment

Chip = tuple[str, str]
"""An emoji in the room, and who put it there."""


def chips(talk: Conversation) -> list[Chip]:
    """As the room shows them: what is redacted has no content."""
    return [
        (event["content"]["m.relates_to"]["key"], event["sender"])
        for event in talk.in_room()
        if event["type"] == "m.reaction" and event["content"]
    ]


async def greeted(talk: Conversation) -> MessageId:
    """The vendor has said something, and the room has it."""
    message_id = await talk.post("Hello!")
    await talk.go_out()
    return message_id


async def nothing_is_left(talk: Conversation) -> bool:
    database = talk.engine.database
    return not [
        row
        for table in ("reactions", "reaction_origins")
        for row in await database.fetch(f"SELECT 1 FROM {table}")
    ]


# From our side


@both_databases
async def test_a_ghost_reacts_in_its_own_name_and_takes_it_back(talk: Conversation, anna: Party) -> None:
    message_id = await greeted(talk)
    await talk.react(message_id)
    await talk.go_out()
    hello, reaction = talk.in_room()
    assert chips(talk) == [("👍", GHOST)]
    assert reaction["content"]["m.relates_to"] == {
        "rel_type": "m.annotation",
        "event_id": hello["event_id"],
        "key": "👍",
    }
    await talk.take_back(message_id)
    await talk.go_out()
    assert chips(talk) == []
    assert talk.homeserver.calls("redact") == [(GHOST, reaction["event_id"])]
    assert await nothing_is_left(talk)
    await talk.react(message_id)
    await talk.go_out()
    assert chips(talk) == [("👍", GHOST)]


@both_databases
async def test_for_account_holders_festimo_reacts_once(talk: Conversation, anna: Party) -> None:
    async with talk.engine.database.transaction() as tx:
        await talk.features.participants.put(
            tx, person("chef", "Sweet Bites", mxid="@chef:people.test", tenant=TENANT)
        )
    message_id = await talk.post("Hello!")
    for sender in ("anna", "chef"):
        talk.clock.advance(1)
        await talk.react(message_id, sender=sender)
    await talk.go_out()
    assert chips(talk) == [("👍", BOT)]
    assert await talk.reactions(message_id) == [("👍", ("anna", "chef"))]
    await talk.take_back(message_id, sender="anna")
    await talk.go_out()
    assert chips(talk) == [("👍", BOT)]  # for the other
    await talk.take_back(message_id, sender="chef")
    await talk.go_out()
    assert chips(talk) == []
    assert await nothing_is_left(talk)


async def test_made_and_taken_back_before_anything_went_out_nothing_is_left(
    talk: Conversation, anna: Party
) -> None:
    message_id = await talk.post("Hello!")
    for _ in range(2):
        await talk.react(message_id)
        await talk.take_back(message_id)
    await talk.react(message_id, "🎂")
    await talk.go_out()
    assert chips(talk) == [("🎂", GHOST)]


async def test_what_nobody_can_see_nobody_reacts_to(talk: Conversation, anna: Party) -> None:
    message_id = await talk.post("Hello!")
    await talk.react(message_id)
    await talk.delete(message_id)
    await talk.go_out()
    assert talk.in_room() == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_reaction_whose_answer_was_lost_is_there_once(
    talk: Conversation, anna: Party, moment: Moment, *, forgotten: bool
) -> None:
    """`forgotten`: by the homeserver, after a day; it says then that it is there already."""
    message_id = await greeted(talk)
    for emoji in ("🎂", "🎉", "👏"):
        await talk.react(message_id, emoji)
    await talk.go_out()
    await talk.react(message_id)
    talk.homeserver.fail("react", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await talk.go_out()
    if forgotten:
        talk.homeserver.forget_transactions()
    await talk.take_back(message_id, "🎂")  # pages of reactions move meanwhile
    await talk.go_out()
    assert chips(talk) == [("🎉", GHOST), ("👏", GHOST), ("👍", GHOST)]
    await talk.take_back(message_id)
    await talk.go_out()
    assert chips(talk) == [("🎉", GHOST), ("👏", GHOST)]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_taken_back_while_it_may_be_on_its_way_it_goes_again(
    talk: Conversation, anna: Party, moment: Moment
) -> None:
    message_id = await greeted(talk)
    await talk.react(message_id)
    talk.homeserver.fail("react", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.take_back(message_id)
    await talk.go_out()
    assert chips(talk) == []
    assert await nothing_is_left(talk)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_made_again_while_it_may_be_going_it_is_there(
    talk: Conversation, anna: Party, moment: Moment
) -> None:
    message_id = await greeted(talk)
    await talk.react(message_id)
    await talk.go_out()
    await talk.take_back(message_id)
    talk.homeserver.fail("redact", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.react(message_id)
    await talk.go_out()
    assert chips(talk) == [("👍", GHOST)]
    assert await talk.reactions(message_id) == [("👍", ("chef",))]


# In the host's client


@both_databases
async def test_a_clients_reaction_is_in_the_model(talk: Conversation, anna: Party) -> None:
    message_id = await greeted(talk)
    (hello,) = talk.in_room()
    await talk.deliver(talk.reaction("$r", hello["event_id"]))
    assert await talk.reactions(message_id) == [("👍", ("anna",))]
    await talk.go_out()
    assert (chips(talk), talk.homeserver.calls("redact")) == ([], [])  # it is there already
    await talk.deliver(talk.redaction("$x", "$r"))
    assert await talk.reactions(message_id) == []
    await talk.go_out()
    assert talk.homeserver.calls("redact") == []
    assert await nothing_is_left(talk)


async def test_an_encrypted_reaction_counts_too(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    (message,) = await talk.features.history(talk.conversation)
    content = talk.reaction("$r", "$1", "🎂")["content"]
    encrypted = anna.encrypt("!talk:bridge.test", "", inside={"type": "m.reaction", "content": content})
    await talk.deliver(anna.event("!talk:bridge.test", "$r", encrypted))
    assert await talk.reactions(message.message_id) == [("🎂", ("anna",))]


@both_databases
async def test_who_reacts_in_their_client_needs_no_festimo_for_it(talk: Conversation, anna: Party) -> None:
    message_id = await greeted(talk)
    (hello,) = talk.in_room()
    await talk.react(message_id, sender="anna")
    await talk.go_out()
    assert chips(talk) == [("👍", BOT)]
    await talk.deliver(talk.reaction("$r", hello["event_id"]))
    await talk.go_out()
    assert chips(talk) == []  # but Anna's own
    assert await talk.reactions(message_id) == [("👍", ("anna",))]
    # Taken back by the API, it is taken from the room for her.
    await talk.take_back(message_id, sender="anna")
    await talk.go_out()
    assert talk.homeserver.calls("redact")[-1] == (BOT, "$r")
    assert await nothing_is_left(talk)


async def test_that_festimo_takes_its_own_away_takes_nothing_from_the_person(
    talk: Conversation, anna: Party
) -> None:
    """The homeserver tells us of it before we know that it has been done."""
    message_id = await greeted(talk)
    (hello,) = talk.in_room()
    await talk.react(message_id, sender="anna")
    await talk.go_out()
    (_, festimos) = talk.in_room()
    await talk.deliver(talk.reaction("$r", hello["event_id"]))
    talk.homeserver.fail("redact", HomeserverUnavailable("no answer"), moment="after")
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.deliver(talk.redaction("$x", festimos["event_id"], sender=BOT))
    await talk.go_out()
    assert await talk.reactions(message_id) == [("👍", ("anna",))]


async def test_a_reaction_waits_for_its_message(talk: Conversation, anna: Party) -> None:
    await key(talk, anna)
    original = talk.event(anna, "$1", "Vegan?")
    await talk.deliver(talk.reaction("$r", "$1"))
    assert await talk.state_of("$r") == "parked"
    await talk.deliver(original)
    (message,) = await talk.features.history(talk.conversation)
    assert await talk.reactions(message.message_id) == [("👍", ("anna",))]


async def test_a_reaction_that_waits_is_dropped_when_it_is_taken_back(
    talk: Conversation, anna: Party
) -> None:
    await key(talk, anna)
    original = talk.event(anna, "$1", "Vegan?")
    await talk.deliver(talk.reaction("$r", "$1"))
    await talk.deliver(talk.redaction("$x", "$r", sender=MALLORY))
    assert await talk.state_of("$r") == "parked"
    await talk.deliver(talk.redaction("$y", "$r"))
    await talk.deliver(original)
    (message,) = await talk.features.history(talk.conversation)
    assert await talk.reactions(message.message_id) == []


async def test_a_reaction_to_what_is_just_being_sent_is_tried_again(talk: Conversation, anna: Party) -> None:
    """The room has our message before we know that it has, and somebody is quick."""
    message_id = await talk.post("Hello!")
    talk.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment="after")
    with pytest.raises(Retry):
        await talk.go_out()
    (hello,) = talk.in_room()
    await talk.deliver(hello)  # as the homeserver shows us our own
    with pytest.raises(Retry):
        await talk.deliver(talk.reaction("$r", hello["event_id"]))
    await talk.go_out()
    await talk.work_off()
    assert await talk.reactions(message_id) == [("👍", ("anna",))]


NONSENSE: dict[str, dict[str, Any]] = {
    "no relation": {},
    "a relation that is none": {"m.relates_to": 5},
    "another relation": {"m.relates_to": {"rel_type": "m.reference", "event_id": "$1", "key": "👍"}},
    "no key": {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1"}},
    "no event": {"m.relates_to": {"rel_type": "m.annotation", "key": "👍"}},
    "what cannot be an id": {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$\0", "key": "👍"}},
    "half a character": {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": "\ud83d"}},
    "an over-long key": {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": "x" * 65}},
    "a blank key": {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": " "}},
}


@pytest.mark.parametrize("content", NONSENSE.values(), ids=NONSENSE)
async def test_what_is_no_reaction_changes_nothing(
    talk: Conversation, anna: Party, content: dict[str, Any]
) -> None:
    await said(talk, anna)
    before = await talk.features.everything()
    await talk.deliver(talk.reaction("$r", "$1") | {"content": content})
    assert await talk.features.everything() == before
    assert (await talk.state_of("$r"), await talk.dead()) == ("done", [])


async def test_nobody_takes_back_anothers_but_who_may_redact(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    (message,) = await talk.features.history(talk.conversation)
    await talk.deliver(talk.reaction("$r", "$1"))
    await talk.deliver(talk.redaction("$x", "$r", sender=MALLORY))
    assert await talk.reactions(message.message_id) == [("👍", ("anna",))]
    levels = {"redact": 100, "users": {MALLORY: 100}}
    talk.homeserver.rooms["!talk:bridge.test"].state.append(
        {"type": "m.room.power_levels", "state_key": "", "content": levels}
    )
    await talk.deliver(talk.redaction("$y", "$r", sender=MALLORY))
    assert await talk.reactions(message.message_id) == []


async def test_of_our_own_reactions_nothing_comes_in_twice(talk: Conversation, anna: Party) -> None:
    message_id = await greeted(talk)
    await talk.react(message_id)
    await talk.go_out()
    before = await talk.features.everything()
    await talk.deliver(talk.in_room()[-1])
    assert await talk.features.everything() == before
    assert ANNA not in repr(await talk.reactions(message_id))
