"""Pins in the tables: from our side, and as a client changed the room's list."""

from collections.abc import Sequence

import pytest

from bridge.core.errors import Refusal
from bridge.core.ids import MessageId
from bridge.messages.errors import MessageIsDeleted
from bridge.messages.events import MessageDeleted
from bridge.messages.pins import rules
from bridge.messages.pins.errors import TooManyPins
from bridge.messages.pins.listeners import PinListener
from bridge.messages.pins.rules import MOST_PINS
from bridge.messages.pins.store import PinStore
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features
from tests.bridge.messages.test_changes import Talk


class Pinning(Talk):
    async def pin(self, message_id: MessageId) -> None:
        message = await self.message(message_id)
        async with self.features.database.transaction() as tx:
            await self.features.pins.pin(tx, message)

    async def unpin(self, message_id: MessageId) -> None:
        message = await self.message(message_id)
        async with self.features.database.transaction() as tx:
            await self.features.pins.unpin(tx, message)

    async def changed(self, before: Sequence[str], after: Sequence[str]) -> None:
        """In a client."""
        async with self.features.database.transaction() as tx:
            await self.features.pins.receive(tx, self.conversation, before=before, after=after)

    async def pinned(self) -> list[MessageId]:
        return await PinStore().of(self.features.database, self.conversation.conversation_id)


@pytest.fixture
async def talk(database: Database) -> Pinning:
    features = Features(database)
    return Pinning(features, await features.open())


async def test_messages_are_pinned_in_order_and_once(talk: Pinning) -> None:
    first, second = await talk.post("1"), await talk.post("2")
    await talk.pin(second)
    await talk.pin(first)
    assert await talk.pinned() == [second, first]
    assert (await talk.told())[-2:] == ["PinsChanged", "PinsChanged"]
    before = await talk.features.everything()
    await talk.pin(second)
    assert await talk.features.everything() == before
    await talk.unpin(second)
    await talk.pin(second)
    assert await talk.pinned() == [first, second]
    await talk.unpin(first)
    before = await talk.features.everything()
    await talk.unpin(first)
    assert await talk.features.everything() == before


@pytest.mark.parametrize(("case", "refusal"), [("deleted", MessageIsDeleted), ("too many", TooManyPins)])
async def test_a_refused_pin_changes_nothing(talk: Pinning, case: str, refusal: type[Refusal]) -> None:
    message_id = await talk.post()
    if case == "deleted":
        await talk.delete(message_id)
    else:
        for number in range(MOST_PINS):
            await talk.pin(await talk.post(f"{number}"))
    before = await talk.features.everything()
    with pytest.raises(refusal):
        await talk.pin(message_id)
    assert await talk.features.everything() == before


async def test_what_is_deleted_is_pinned_no_longer(talk: Pinning) -> None:
    features, message_id = talk.features, await talk.post()
    await talk.pin(message_id)
    features.outbox.subscribe("pins", MessageDeleted)
    await talk.delete(message_id)
    item = await features.outbox.head(f"pins:{talk.conversation.conversation_id}")
    assert item is not None
    await PinListener(features.database, features.message_store, features.pins, features.outbox).deleted(item)
    assert await talk.pinned() == []
    assert await features.outbox.head(item.lane) is None
    rows = await features.database.fetch("SELECT topic FROM outbox ORDER BY seq DESC LIMIT 1")
    assert [row["topic"] for row in rows] == ["listener.PinsChanged"]


async def test_a_clients_change_is_taken_in(talk: Pinning) -> None:
    one, two = await talk.said("$1"), await talk.said("$2")
    await talk.changed([], ["$2", "$1", "$unknown"])
    assert await talk.pinned() == [two, one]
    await talk.changed(["$2", "$1", "$unknown"], ["$1"])
    assert await talk.pinned() == [one]
    assert (await talk.told())[-2:] == ["PinsChanged", "PinsChanged"]
    before = await talk.features.everything()
    await talk.changed(["$1"], ["$1", "$another unknown"])
    assert await talk.features.everything() == before


async def test_what_was_pinned_here_meanwhile_stays(talk: Pinning) -> None:
    """The client has not seen it yet, so it is not what it took away."""
    one, two, ours = await talk.said("$1"), await talk.said("$2"), await talk.said("$3")
    await talk.changed([], ["$1"])
    await talk.pin(ours)
    await talk.changed(["$1"], ["$1", "$2"])
    assert await talk.pinned() == [one, ours, two]


async def test_a_client_pins_nothing_of_another_conversation_nor_deleted(talk: Pinning) -> None:
    other = Pinning(talk.features, await talk.features.open(party="p2"))
    await other.said("$other")
    gone = await talk.said("$gone")
    await talk.delete(gone)
    before = await talk.features.everything()
    await talk.changed([], ["$other", "$gone"])
    assert await talk.features.everything() == before
    await other.changed([], ["$other"])
    await talk.changed(["$other"], [])
    assert len(await other.pinned()) == 1


@pytest.mark.parametrize(
    ("ours", "known", "there", "shown"),
    [
        ([], [], [], []),
        (["$1"], [], [], ["$1"]),
        (["$1", "$2"], ["$1"], ["$1"], ["$1", "$2"]),
        ([], ["$1"], ["$1"], []),
        # The room's order stays, and what only clients know.
        (["$1", "$2"], ["$1", "$2"], ["$2", "$x", "$1"], ["$2", "$x", "$1"]),
        (["$2"], ["$1", "$2"], ["$2", "$x", "$1"], ["$2", "$x"]),
        (["$1"], [], ["$x", "$x"], ["$x", "$1"]),
    ],
)
def test_what_the_room_shows(ours: list[str], known: list[str], there: list[str], shown: list[str]) -> None:
    assert rules.shown(ours=ours, known=known, there=there) == shown
