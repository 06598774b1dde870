"""Within a lane one after the other, in the order of arrival; lanes do not wait for each other."""

import asyncio

from bridge.delivery.dispatcher import Fail, Retry
from bridge.delivery.queue import Item
from bridge.storage.database import Database
from tests.bridge.delivery.desk import Desk


async def test_a_lane_is_worked_off_in_order_and_one_at_a_time(desk: Desk) -> None:
    ids = [f"{number:02}" for number in range(20)]
    at_work: list[str] = []

    async def alone(item: Item) -> None:
        at_work.append(item.id)
        assert len(at_work) == 1
        await desk.finish(item)
        at_work.clear()

    await desk.add(*ids[:10])
    async with desk.worked_off(alone):
        await desk.add(*ids[10:])
        assert [await desk.next_done() for _ in ids] == ids


async def test_a_lane_does_not_wait_for_another(desk: Desk) -> None:
    release = asyncio.Event()

    async def slow_in_a(item: Item) -> None:
        if item.lane == "a":
            await release.wait()
        await desk.finish(item)

    async with desk.worked_off(slow_in_a):
        await desk.add("a1", lane="a")
        await desk.add("b1", "b2", lane="b")
        assert [await desk.next_done(), await desk.next_done()] == ["b1", "b2"]
        release.set()
        assert await desk.next_done() == "a1"


async def test_what_waits_for_a_retry_holds_up_its_own_lane_only(desk: Desk) -> None:
    refused = 0

    async def reluctant(item: Item) -> None:
        nonlocal refused
        if item.id == "a1" and refused < 3:
            refused += 1
            raise Retry("not yet")
        await desk.finish(item)

    await desk.add("a1", "a2", lane="a")
    await desk.add("b1", lane="b")
    async with desk.worked_off(reluctant):
        order = [await desk.next_done() for _ in range(3)]
    assert order.index("a1") < order.index("a2")
    assert refused == 3


async def test_a_poisoned_item_does_not_stop_its_lane(desk: Desk) -> None:
    async def picky(item: Item) -> None:
        if item.id == "bad":
            raise Fail("cannot be read")
        await desk.finish(item)

    await desk.add("before", "bad", "after")
    async with desk.worked_off(picky):
        assert [await desk.next_done(), await desk.next_done()] == ["before", "after"]
    assert await desk.states() == {"before": "done", "bad": "dead", "after": "done"}


async def test_what_an_earlier_process_left_is_taken_up(desk: Desk, database: Database) -> None:
    started = asyncio.Event()

    async def never_ends(item: Item) -> None:
        started.set()
        await asyncio.Event().wait()

    await desk.add("a1", "a2", lane="a")
    await desk.add("b1", lane="b")
    async with desk.worked_off(never_ends):
        await started.wait()

    later = Desk(database)  # nothing of the first one's memory
    async with later.worked_off():
        assert sorted([await later.next_done() for _ in range(3)]) == ["a1", "a2", "b1"]


async def test_work_that_comes_during_work_is_not_lost(desk: Desk) -> None:
    """Each item brings the next into its own lane, when its handler is as good as done."""

    async def breed(item: Item) -> None:
        await desk.finish(item)
        if int(item.id) < 49:
            await desk.add(str(int(item.id) + 1))

    async with desk.worked_off(breed) as dispatcher:
        await desk.add("0")
        assert [await desk.next_done() for _ in range(50)] == [str(number) for number in range(50)]
        await dispatcher.idle()


async def test_many_writers_into_few_lanes_lose_nothing(desk: Desk) -> None:
    async with desk.worked_off():
        await asyncio.gather(*(desk.add(f"{n}", lane=f"lane {n % 3}") for n in range(120)))
        assert {await desk.next_done() for _ in range(120)} == {f"{n}" for n in range(120)}


async def test_a_cancellation_at_any_moment_loses_nothing_and_doubles_nothing(desk: Desk) -> None:
    """Stopped after 0, 3, 6, ... steps of the event loop: always somewhere else."""
    ids = [f"{number:02}" for number in range(60)]
    for start in range(0, 60, 20):
        await desk.add(*ids[start : start + 20], lane=f"lane {start}")
    for steps in range(0, 120, 3):
        async with desk.worked_off():
            for _ in range(steps):
                await asyncio.sleep(0)
    async with desk.worked_off():
        assert sorted([await desk.next_done() for _ in ids]) == ids
    assert await desk.effects() == ids
    assert set((await desk.states()).values()) == {"done"}
