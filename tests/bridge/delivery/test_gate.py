"""Lanes that are held up wait, with all that is in them, and go on in the order that they have then."""

from collections.abc import Callable

from bridge.delivery.dispatcher import LANES_AT_ONCE
from bridge.delivery.queue import Item
from tests.bridge.delivery.desk import Desk


class Closed:
    """Holds up the lanes that are named so, until it is opened."""

    def __init__(self) -> None:
        self.closed = True
        self._opened: Callable[[], None]

    def holds(self, lane: str) -> bool:
        return self.closed and lane.startswith("held")

    def on_open(self, opened: Callable[[], None]) -> None:
        self._opened = opened

    def open(self) -> None:
        self.closed = False
        self._opened()


async def arrange(desk: Desk, *item_ids: str, looked_at: int) -> None:
    async with desk.database.transaction() as tx:
        await desk.inbox.arrange(tx, "held", item_ids, looked_at=looked_at)


async def test_held_lanes_wait_however_many_and_others_do_not(desk: Desk) -> None:
    gate = Closed()
    held = [f"held {number}" for number in range(LANES_AT_ONCE + 1)]
    for lane in held:
        await desk.add(lane, lane=lane)
    async with desk.worked_off(gate=gate):
        await desk.add("free", lane="free")
        assert await desk.next_done() == "free"
        states = await desk.states()
        assert {states[lane] for lane in held} == {"waiting"}
        gate.open()
        assert {await desk.next_done() for _ in held} == set(held)


async def test_a_held_lane_goes_on_with_what_comes_first_by_then(desk: Desk) -> None:
    gate = Closed()
    await desk.add("2", lane="held")
    async with desk.worked_off(gate=gate):
        await desk.add("1", lane="held")
        await desk.add("free", lane="free")
        assert await desk.next_done() == "free"
        await arrange(desk, "1", "2", looked_at=await desk.inbox.newest(desk.database))
        gate.open()
        assert [await desk.next_done(), await desk.next_done()] == ["1", "2"]


async def test_what_comes_with_the_doubt_is_not_applied_before_it_is_settled(desk: Desk) -> None:
    gate = Closed()
    gate.closed = False
    heads: list[str] = []
    look = desk.inbox.head

    async def head(lane: str) -> Item | None:
        item = await look(lane)
        if not heads:
            gate.closed = True  # when it has been read, and nobody has begun with it
        heads.append(lane)
        return item

    desk.inbox.head = head  # type: ignore[method-assign]
    async with desk.worked_off(gate=gate):
        await desk.add("a", lane="held")
        await desk.add("free", lane="free")
        assert await desk.next_done() == "free"
        assert (await desk.states())["a"] == "waiting"
        gate.open()
        assert await desk.next_done() == "a"


async def test_items_are_arranged_between_what_was_there_before_and_what_came_later(desk: Desk) -> None:
    await desk.add("before", "c", "a", lane="held")
    looked_at = await desk.inbox.newest(desk.database)
    await desk.add("later", "b", lane="held")
    await arrange(desk, "a", "applied long ago", "b", "c", looked_at=looked_at)
    async with desk.worked_off():
        assert [await desk.next_done() for _ in range(5)] == ["before", "a", "b", "c", "later"]


async def test_other_lanes_and_what_is_given_up_keep_their_places(desk: Desk) -> None:
    await desk.add("other", lane="other")
    await desk.add("2", "dead", "1", lane="held")
    item = await desk.inbox.head("other")
    assert item is not None
    async with desk.database.transaction() as tx:
        await tx.execute("UPDATE inbox SET state = 'dead' WHERE id = 'dead'")
    places = {row_id: (await desk.row(row_id))["seq"] for row_id in ("other", "dead")}
    await arrange(desk, "other", "dead", "1", "2", looked_at=await desk.inbox.newest(desk.database))
    assert {row_id: (await desk.row(row_id))["seq"] for row_id in places} == places
    assert (await desk.row("1"))["seq"] < (await desk.row("2"))["seq"]
