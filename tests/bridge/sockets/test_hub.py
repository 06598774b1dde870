"""The hub, where those who come and go meet an entry that is in hand."""

import asyncio
from dataclasses import dataclass, field

from bridge.conversations.access import Access
from bridge.core.caller import Caller
from bridge.core.ids import ConversationId, ParticipantId, PartyId
from bridge.feed.model import Entry, Place
from bridge.feed.store import FeedStore
from bridge.sockets.endings import BROKEN, Ending
from bridge.sockets.frames import Frames
from bridge.sockets.hub import Hub
from bridge.sockets.look import Look
from bridge.sockets.outgoing import Signal
from bridge.sockets.perspectives import Perspectives
from bridge.sockets.scope import Scope
from bridge.sockets.sight import Sight
from bridge.sockets.store import SocketStore
from bridge.sockets.vendors import VendorsOnSockets
from bridge.storage.database import Database
from bridge.web.paging import Cursors
from tests.bridge.api.world import MASTER_KEY, OURS, World
from tests.bridge.conversations.features import person
from tests.bridge.sockets.client import until
from tests.databases import both_databases

PARTY = PartyId("p1")


@dataclass(eq=False)
class Listener:
    caller: Caller = field(default=Caller(tenant_id=OURS, role="service"))
    scope: Scope = field(default=Scope("party", "p1"))
    offered: list[Place] = field(default_factory=list)
    ending: Ending | None = None

    def wants(self, conversation_id: ConversationId) -> bool:
        return True

    def offer(self, place: Place, frame: str) -> None:
        self.offered.append(place)

    def hint(self, signal: Signal) -> None:
        raise AssertionError(signal)

    def end(self, ending: Ending) -> None:
        self.ending = ending


def vendors_of(world: World) -> VendorsOnSockets:
    return VendorsOnSockets(SocketStore(), world.vendor_store, world.vendor_views)


class Slow(Frames):
    """Takes its time, or fails."""

    def __init__(self, world: World) -> None:
        store, messages = world.conversation_store, world.message_store
        signals = world.signals
        super().__init__(
            messages,
            store,
            Perspectives(
                world.message_views,
                world.bookmark_store,
                store,
                world.conversation_views,
                Sight(SocketStore()),
            ),
            world.scheduled_store,
            signals.read_store,
            signals.unread,
            vendors_of(world),
            Cursors(MASTER_KEY),
        )
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()
        self.fails = False

    async def of(self, look: Look, entry: Entry, *, person: ParticipantId | None) -> str | None:
        self.asked.set()
        await self.go_on.wait()
        if self.fails:
            raise KeyError("canary")
        return await super().of(look, entry, person=person)


async def with_hub(database: Database) -> tuple[World, Slow, Hub]:
    world = World(database)
    frames = Slow(world)
    hub = Hub(
        database,
        FeedStore(),
        SocketStore(),
        world.conversation_store,
        Access(world.conversation_store),
        vendors_of(world),
        frames,
    )
    return world, frames, hub


async def happens(world: World) -> None:
    """Three entries: it is opened, two people are added."""
    async with world.database.transaction() as tx:
        await world.conversations.open(
            tx,
            tenant_id=OURS,
            party_id=PARTY,
            party_title="Anna & Ben",
            hosts=[person("anna", "Anna", tenant=OURS)],
            vendor=person("chef", "Sweet Bites", tenant=OURS),
        )
    assert await world.feed.order() == 3


async def test_who_comes_while_an_old_entry_is_in_hand_is_not_led_back(database: Database) -> None:
    world, frames, hub = await with_hub(database)
    early = Listener()
    assert (await hub.join(early)).seq == 0
    await happens(world)
    running = asyncio.create_task(hub.run())
    async with asyncio.timeout(10):
        await frames.asked.wait()
    hub.leave(early)
    late = Listener()
    assert (await hub.join(late)).seq == 3
    frames.go_on.set()
    await asyncio.sleep(0.2)
    assert hub.told.seq == 3
    assert (await hub.join(Listener())).seq == 3
    assert late.offered == []
    running.cancel()
    await asyncio.wait([running])
    assert late.ending is not None


@both_databases
async def test_everybody_is_given_what_came_after_they_did(database: Database) -> None:
    world, frames, hub = await with_hub(database)
    first, second = Listener(), Listener()
    await hub.join(first)
    await happens(world)
    running = asyncio.create_task(hub.run())
    async with asyncio.timeout(10):
        await frames.asked.wait()
    # The first entry is in hand: this one reads it by itself.
    assert (await hub.join(second)).seq == 1
    frames.go_on.set()
    await until(lambda: hub.told.seq == 3)
    assert [place.seq for place in first.offered] == [1, 2, 3]
    assert [place.seq for place in second.offered] == [2, 3]
    running.cancel()
    await asyncio.wait([running])


async def test_a_fault_ends_those_whom_it_concerns_and_nobody_else(database: Database) -> None:
    world, frames, hub = await with_hub(database)
    frames.go_on.set()
    frames.fails = True
    concerned, other = Listener(), Listener(scope=Scope("party", "p2"))
    await hub.join(concerned)
    await hub.join(other)
    await happens(world)
    running = asyncio.create_task(hub.run())
    await until(lambda: hub.told.seq == 3)
    assert concerned.ending is BROKEN
    assert other.ending is None
    running.cancel()
    await asyncio.wait([running])
