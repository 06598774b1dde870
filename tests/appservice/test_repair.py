"""Gap repair: what the homeserver has and never delivered is taken in, once, and nothing else."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import REGISTRY

from appservice.continuity import Continuity
from appservice.homeserver import Homeserver
from appservice.members import Members
from appservice.repair import Repair
from appservice.transactions import HomeserverSide, parse
from bridge.core.clock import FrozenClock
from bridge.delivery.inbox import Inbox
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from tests.appservice.delivering import MASTER_KEY, NAMES, ROOM, TOKEN, event, nobody_arrives, nobody_leaves
from tests.appservice.encryption.engine import WatchedDatabase
from tests.fakes.homeserver import FakeHomeserver, Json, canonical, refused

SHOWN = 3
"""Events that a /sync shows of a room; what is more is a gap."""


class Killed(BaseException):
    """The process ends here."""


class Timelines(FakeHomeserver):
    async def sync(
        self, user: str, device: str | None, *, since: str | None, filter_: Mapping[str, Any], wait: int = 0
    ) -> Json:
        assert device is None, "a device would acknowledge to-device messages"
        await self.pass_moment("sync", "before")
        timeline = self.timeline(ROOM)
        start = max(int(since or 0), len(timeline) - SHOWN)
        limited = start > int(since or 0)
        room = {
            "timeline": {"events": timeline[start:], "limited": limited, "prev_batch": str(start)},
        }
        answer = {"next_batch": str(len(timeline)), "rooms": {"join": {ROOM: room}}}
        await self.pass_moment("sync", "after")
        return answer

    def happens(self, *event_ids: str) -> list[Json]:
        events = [event(event_id) for event_id in event_ids]
        self.rooms[ROOM].timeline += events
        return events


class Ground:
    def __init__(self, database: Database, homeserver: Homeserver) -> None:
        clock = FrozenClock()
        self.database = database
        self.inbox = Inbox(database, Sealer(MASTER_KEY, clock), clock)
        self.continuity = Continuity()
        self.side = HomeserverSide(
            database=database,
            inbox=self.inbox,
            members=Members(database, homeserver, NAMES, on_arrived=nobody_arrives, on_left=nobody_leaves),
            names=NAMES,
            hs_token=TOKEN,
            continuity=self.continuity,
        )
        self.repair = Repair(database, homeserver, self.side, self.inbox, self.continuity, bot=NAMES.bot)

    async def delivered(self, events: list[Json], *, txn_id: str = "1") -> None:
        """By a transaction."""
        self.continuity.transaction(txn_id)
        async with self.database.transaction() as tx:
            await self.side.keep(tx, parse(canonical({"events": events})))

    async def park(self, event_id: str) -> None:
        async with self.database.transaction() as tx:
            await self.inbox.park(tx, f"matrix:{event_id}", until="its key comes")

    async def apply_first(self) -> None:
        item = await self.inbox.head(f"room:{ROOM}")
        assert item is not None
        async with self.database.transaction() as tx:
            await self.inbox.finish(tx, item)

    async def kept(self) -> list[str]:
        rows = await self.database.fetch("SELECT id FROM inbox ORDER BY seq")
        return [row["id"].removeprefix("matrix:") for row in rows]


@pytest.fixture
def homeserver() -> Timelines:
    timelines = Timelines()
    timelines.add_room(ROOM, {NAMES.bot: "join"})
    return timelines


@pytest.fixture
def ground(database: Database, homeserver: Timelines) -> Ground:
    return Ground(database, homeserver)


def repaired() -> float:
    return REGISTRY.get_sample_value("festimo_events_repaired_total") or 0.0


async def test_what_was_never_delivered_is_taken_in_once(ground: Ground, homeserver: Timelines) -> None:
    before = repaired()
    await ground.delivered(homeserver.happens("$1"))
    assert await ground.repair.step() == 0
    assert repaired() == before, "in a steady state nothing is"
    homeserver.happens("$2")
    await ground.delivered(homeserver.happens("$3"))
    assert [await ground.repair.step(), await ground.repair.step()] == [1, 0]
    assert await ground.kept() == ["$1", "$2", "$3"]
    assert repaired() == before + 1


async def test_what_is_delivered_after_it_was_repaired_is_no_second_event(
    ground: Ground, homeserver: Timelines
) -> None:
    """Homeservers deliver late, too: after they have been down."""
    late = homeserver.happens("$1", "$2")
    assert await ground.repair.step() == 2
    await ground.delivered(late)
    assert await ground.kept() == ["$1", "$2"]


async def test_what_came_in_another_order_is_put_in_order(ground: Ground, homeserver: Timelines) -> None:
    await ground.repair.step()
    failed, new = homeserver.happens("$1", "$2")
    await ground.delivered([new])
    await ground.delivered([failed])
    await ground.park("$2")
    assert await ground.repair.step() == 0
    assert await ground.kept() == ["$1", "$2"]


async def test_what_is_applied_keeps_its_place(ground: Ground, homeserver: Timelines) -> None:
    await ground.repair.step()
    failed, new = homeserver.happens("$1", "$2")
    await ground.delivered([new])
    await ground.apply_first()
    await ground.delivered([failed])
    await ground.repair.step()
    assert await ground.kept() == ["$2", "$1"]


async def test_what_comes_in_during_a_look_comes_after_what_it_finds(
    ground: Ground, homeserver: Timelines
) -> None:
    await ground.delivered(homeserver.happens("$old", "$older than the look"))
    await ground.repair.step()
    homeserver.happens("$missed")
    delivered = homeserver.happens("$2")
    await ground.delivered(delivered)

    async def meanwhile() -> None:
        await ground.delivered(homeserver.happens("$3"))

    homeserver.meanwhile("sync", meanwhile)
    assert await ground.repair.step() == 1
    assert await ground.kept() == ["$old", "$older than the look", "$missed", "$2", "$3"]


async def test_a_room_waits_in_doubt_until_a_look_that_began_after_it(
    ground: Ground, homeserver: Timelines
) -> None:
    lane = f"room:{ROOM}"
    assert ground.continuity.holds(lane), "at start"
    assert not ground.continuity.holds("platform")
    await ground.repair.step()
    assert not ground.continuity.holds(lane)

    async def meanwhile() -> None:
        ground.continuity.doubt("test")

    homeserver.meanwhile("sync", meanwhile)
    await ground.repair.step()
    assert ground.continuity.holds(lane)
    await ground.repair.step()
    assert not ground.continuity.holds(lane)


async def test_whoever_can_look_at_nothing_goes_on_with_what_there_is(
    ground: Ground, homeserver: Timelines
) -> None:
    opened = asyncio.Event()
    ground.continuity.on_open(opened.set)

    homeserver.fail("sync", refused(403, "M_FORBIDDEN"))
    looking = asyncio.create_task(ground.repair.run())
    async with asyncio.timeout(5):
        await opened.wait()
    looking.cancel()
    await asyncio.wait([looking])
    assert not ground.continuity.holds(f"room:{ROOM}")


@pytest.mark.parametrize("missed", [SHOWN + 1, 250])
async def test_a_gap_is_paged_back_to_what_was_delivered(
    ground: Ground, homeserver: Timelines, missed: int
) -> None:
    await ground.delivered(homeserver.happens("$before"))
    await ground.repair.step()
    ids = [f"${number}" for number in range(missed)]
    homeserver.happens(*ids)
    assert await ground.repair.step() == missed
    assert await ground.kept() == ["$before", *ids]


@pytest.mark.parametrize("later", [SHOWN, 250])
async def test_a_gap_before_what_was_delivered_is_found_too(
    ground: Ground, homeserver: Timelines, later: int
) -> None:
    """A homeserver that was killed goes on with what came after: the gap is in the middle."""
    await ground.delivered(homeserver.happens("$before"))
    await ground.repair.step()
    homeserver.happens("$missed")
    await ground.delivered(homeserver.happens(*(f"${number}" for number in range(later))))
    assert [await ground.repair.step(), await ground.repair.step()] == [1, 0]
    assert (await ground.kept())[:3] == ["$before", "$missed", "$0"]


async def test_the_first_look_takes_no_history_in(ground: Ground, homeserver: Timelines) -> None:
    homeserver.happens(*(f"${number}" for number in range(50)))
    assert await ground.repair.step() == SHOWN


async def test_what_was_found_and_the_position_are_one_commit(ground: Ground, homeserver: Timelines) -> None:
    homeserver.happens("$1")
    watched = WatchedDatabase(ground.database)

    def killed(call: str, moment: str) -> None:
        if moment == "before":
            raise Killed

    watched.on_moment = killed
    with pytest.raises(Killed):
        await Ground(watched, homeserver).repair.step()
    assert await ground.kept() == []
    assert await ground.repair.step() == 1
