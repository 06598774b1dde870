"""However many lanes something waits in, a dispatcher takes a bounded number of them in hand, in turns."""

import asyncio
from collections import Counter

from bridge.core.clock import FrozenClock
from bridge.delivery.dispatcher import LANES_AT_ONCE, Retry
from bridge.delivery.queue import Item
from bridge.storage.database import Database
from tests.bridge.delivery.desk import Desk

MANY = 5 * LANES_AT_ONCE


async def fill(desk: Desk, lanes: int, *, each: int = 1) -> list[str]:
    ids = [f"{lane:03}.{number:03}" for lane in range(lanes) for number in range(each)]
    async with desk.database.transaction() as tx:
        for item_id in ids:
            await desk.insert(tx, item_id, lane=f"lane {item_id.partition('.')[0]}")
    return ids


async def test_many_waiting_lanes_take_no_task_and_no_item_each(desk: Desk) -> None:
    release, at_work, most = asyncio.Event(), 0, 0

    async def slow(item: Item) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        if at_work == LANES_AT_ONCE:
            release.set()
        await release.wait()
        await desk.finish(item)
        at_work -= 1

    ids = await fill(desk, MANY)
    before = len(asyncio.all_tasks())
    async with desk.worked_off(slow):
        await release.wait()
        assert (
            len(asyncio.all_tasks()) <= before + LANES_AT_ONCE + 2
        )  # the dispatcher itself, and one to stop it
        assert sorted([await desk.next_done() for _ in ids]) == ids
    assert most == LANES_AT_ONCE


async def test_lanes_that_wait_for_a_retry_leave_their_place_to_others(database: Database) -> None:
    """The clock stands still: their time does not come."""
    desk = Desk(database, FrozenClock())

    async def picky(item: Item) -> None:
        if item.lane < f"lane {2 * LANES_AT_ONCE:03}":
            raise Retry("not for an hour", delay=3_600_000)
        await desk.finish(item)

    ids = await fill(desk, MANY)
    async with desk.worked_off(picky):
        assert sorted([await desk.next_done() for _ in ids[2 * LANES_AT_ONCE :]]) == ids[2 * LANES_AT_ONCE :]


async def test_a_long_lane_does_not_keep_short_ones_waiting(desk: Desk) -> None:
    await fill(desk, LANES_AT_ONCE, each=5)
    await desk.add("short", lane="zzz, taken up last")
    async with desk.worked_off():
        place = 0
        while await desk.next_done() != "short":
            place += 1
    assert place <= 2 * LANES_AT_ONCE


async def test_while_nothing_succeeds_many_lanes_try_seldom(desk: Desk) -> None:
    attempts: Counter[str] = Counter()
    away, begun = True, asyncio.Event()

    async def outage(item: Item) -> None:
        attempts[item.lane] += 1
        if attempts.total() == LANES_AT_ONCE:
            begun.set()
        if away:
            raise Retry("the homeserver is away")
        await desk.finish(item)

    ids = await fill(desk, MANY)
    async with desk.worked_off(outage):
        await begun.wait()
        for _ in range(4 * MANY):  # time enough for all lanes, were there no pause
            await desk.database.fetch("SELECT 1")
        tried = attempts.total()
        away = False
        assert sorted([await desk.next_done() for _ in ids]) == ids
    assert tried <= 3 * LANES_AT_ONCE
