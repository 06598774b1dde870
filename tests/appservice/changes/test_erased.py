"""Of who asked to be erased nothing comes into the room any more, whatever waits; what was said already was said."""

from dataclasses import replace

import pytest

from appservice.homeserver import HomeserverUnavailable
from bridge.conversations.events import ParticipantAdded, ParticipantLeft
from bridge.core.ids import ParticipantId
from bridge.delivery.dispatcher import Retry
from bridge.signals.reads import Place
from bridge.signals.store import SeenStore
from tests.appservice.changes.room import GHOST, Conversation
from tests.appservice.changes.test_in_clients import key
from tests.appservice.encryption.engine import TENANT
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA as ANNA_ACCOUNT
from tests.databases import both_databases
from tests.fakes.homeserver import Moment

CHEF, ANNA = ParticipantId("chef"), ParticipantId("anna")
ERASED = "its sender asked to be erased"


async def erase(talk: Conversation, who: ParticipantId = CHEF) -> None:
    async with talk.engine.database.transaction() as tx:
        assert await talk.features.erasures.begin(tx, TENANT, who)


@both_databases
async def test_what_waits_is_settled_and_their_ghost_is_silent(talk: Conversation, anna: Party) -> None:
    first, other = await talk.post("Vanilla?"), await talk.post("And you?", sender="anna")
    await talk.go_out()
    before = talk.in_room()
    second = await talk.post("Chocolate?")
    await talk.edit(first, "Marzipan?")
    await talk.react(other)
    await erase(talk)
    await talk.go_out()
    assert talk.in_room() == before
    assert talk.homeserver.calls("react") == []
    message = await talk.message(second)
    assert (message.status, message.failure_reason) == ("failed", ERASED)
    # The others go on.
    await talk.post("Hello?", sender="anna")
    await talk.go_out()
    assert len(talk.in_room()) == len(before) + 1


async def test_their_ghost_leaves_and_does_not_come_back(talk: Conversation, anna: Party) -> None:
    talk.features.outbox.subscribe("matrix", ParticipantLeft, ParticipantAdded)
    added = ParticipantAdded(
        tenant_id=TENANT, conversation_id=talk.conversation.conversation_id, participant_id=CHEF
    )
    async with talk.engine.database.transaction() as tx:
        await talk.features.outbox.record(tx, added)  # waits, and comes first
    await erase(talk)
    await talk.go_out()
    assert talk.homeserver.rooms[next(iter(talk.homeserver.rooms))].members[GHOST] == "leave"
    assert not [user for _, user, _ in talk.homeserver.log if user == GHOST and _ == "join"]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_after_a_kill_only_what_is_in_the_room_was_said(
    talk: Conversation, anna: Party, moment: Moment
) -> None:
    """Encrypted, and the answer to its sending lost: it may be there or not, and is not sent again."""
    message_id = await talk.post("Vanilla?")
    talk.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await talk.go_out()
    await erase(talk)
    sent = len(talk.homeserver.calls("send_encrypted"))
    await talk.go_out()
    assert len(talk.homeserver.calls("send_encrypted")) == sent
    message = await talk.message(message_id)
    if moment == "before":
        assert (talk.in_room(), message.status, message.failure_reason) == ([], "failed", ERASED)
    else:
        (said,) = talk.in_room()
        assert (message.status, message.origin_id) == ("sent", said["event_id"])


async def test_neither_their_face_nor_what_they_read_shows(talk: Conversation, anna: Party) -> None:
    await talk.post("Vanilla?")  # their ghost has a face
    await talk.post("And you?", sender="anna")
    await talk.go_out()
    product, here = talk.parts.product, talk.conversation.conversation_id
    async with talk.engine.database.transaction() as tx:
        await product.people.change(tx, TENANT, CHEF, lambda chef: replace(chef, name="Sour Bites"))
        await product.signals.reads.read(
            tx, Place(tenant_id=TENANT, conversation_id=here, participant_id=CHEF)
        )
    await erase(talk)
    calls = len(talk.homeserver.log)
    for lane in (f"profiles:person/{TENANT}/{CHEF}", f"receipts:{here}"):
        item = await talk._outbox.head(lane)
        assert item is not None
        await talk._handlers[item.topic](item)
        assert await talk._outbox.head(lane) is None
    assert talk.homeserver.log[calls:] == []


async def test_nobody_follows_whether_they_are_there(talk: Conversation, anna: Party) -> None:
    database, seen = talk.engine.database, SeenStore()
    assert [one.participant_id for one in await seen.of_account(database, ANNA_ACCOUNT)] == [ANNA]
    await erase(talk, ANNA)
    assert await seen.of_account(database, ANNA_ACCOUNT) == []


@both_databases
async def test_what_they_write_until_they_are_out_is_not_taken_in(talk: Conversation, anna: Party) -> None:
    await key(talk, anna)
    await talk.deliver(talk.event(anna, "$1", "Vegan?"))
    await erase(talk, ANNA)
    before = await talk.features.everything()
    await talk.deliver(talk.event(anna, "$2", "Please forget me"))
    await talk.deliver(talk.reaction("$3", "$1"))
    assert await talk.features.everything() == before
    assert (await talk.state_of("$2"), await talk.state_of("$3"), await talk.dead()) == ("done", "done", [])
