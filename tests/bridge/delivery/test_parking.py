"""What waits for something (a room key) is set aside; its lane goes on, and it comes back in its turn."""

import asyncio

from bridge.delivery.queue import Item
from tests.bridge.delivery.desk import Desk

KEY = "room_key:1"


class KeyHolder:
    """Parks what needs the key until it has come; asks under the lock, as `Inbox.park` says."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.keys: set[str] = set()
        self.parked: asyncio.Queue[str] = asyncio.Queue()

    async def handle(self, item: Item) -> None:
        needed = item.id.rpartition("/")[0]
        async with self.desk.database.transaction() as tx:
            if needed:
                await tx.lock(needed)
                if needed not in self.keys:
                    await self.desk.inbox.park(tx, item.id, until=needed)
                    tx.after_commit(lambda: self.parked.put_nowait(item.id))
                    return
            await self.desk.inbox.finish(tx, item)
            tx.after_commit(lambda: self.desk.done.put_nowait(item))

    async def receive(self, key: str) -> None:
        async with self.desk.database.transaction() as tx:
            await tx.lock(key)
            await self.desk.inbox.unpark(tx, key)
            self.keys.add(key)  # nothing after this can fail but the commit


async def test_a_lane_goes_on_without_what_is_parked(desk: Desk) -> None:
    holder = KeyHolder(desk)
    await desk.add(f"{KEY}/1", "2")
    async with desk.worked_off(holder.handle):
        assert await desk.next_done() == "2"
        await holder.receive(KEY)
        assert await desk.next_done() == f"{KEY}/1"


async def test_what_is_unparked_keeps_its_order(desk: Desk) -> None:
    holder = KeyHolder(desk)
    ids = [f"{KEY}/{number}" for number in range(5)]
    await desk.add(*ids)
    async with desk.worked_off(holder.handle):
        assert [await holder.parked.get() for _ in ids] == ids
        await holder.receive(KEY)
        assert [await desk.next_done() for _ in ids] == ids


async def test_another_word_unparks_nothing(desk: Desk) -> None:
    holder = KeyHolder(desk)
    await desk.add(f"{KEY}/1", f"{KEY}_/1", f"{KEY}%/1")
    async with desk.worked_off(holder.handle) as dispatcher:
        for _ in range(3):
            await holder.parked.get()
        await holder.receive(f"{KEY}_")  # no pattern: neither `_` nor `%` stands for anything
        assert await desk.next_done() == f"{KEY}_/1"
        await dispatcher.idle()
    assert await desk.states() == {f"{KEY}/1": "parked", f"{KEY}_/1": "done", f"{KEY}%/1": "parked"}


async def test_what_is_parked_stays_so_over_a_restart_and_comes_back_after_it(desk: Desk) -> None:
    holder = KeyHolder(desk)
    await desk.add(f"{KEY}/1")
    async with desk.worked_off(holder.handle):
        await holder.parked.get()
    await holder.receive(KEY)  # nobody works it off now: nothing is woken
    async with desk.worked_off(holder.handle):
        assert await desk.next_done() == f"{KEY}/1"


async def test_unparked_before_its_lane_looks_again_it_is_tried_again_and_not_given_up(desk: Desk) -> None:
    """The key comes between the commit that parks and the dispatcher's next look: the row looks untouched."""
    tried: list[int] = []

    async def handle(item: Item) -> None:
        tried.append(item.seq)
        if len(tried) > 1:
            await desk.finish(item)
            return
        async with desk.database.transaction() as tx:
            await desk.inbox.park(tx, item.id, until=KEY)
        async with desk.database.transaction() as tx:
            await desk.inbox.unpark(tx, KEY)

    await desk.add("a", "b")
    async with desk.worked_off(handle):
        assert [await desk.next_done(), await desk.next_done()] == ["a", "b"]
    assert desk.dead.empty()


async def test_however_keys_and_messages_race_no_message_is_forgotten_or_given_up(desk: Desk) -> None:
    holder = KeyHolder(desk)
    keys = [f"key {number}" for number in range(60)]
    async with desk.worked_off(holder.handle):
        tasks = [desk.add(f"{key}/message", lane=f"lane {key[-1]}") for key in keys]
        tasks += [holder.receive(key) for key in keys]
        await asyncio.gather(*tasks)
        assert {await desk.next_done() for _ in keys} == {f"{key}/message" for key in keys}
    assert desk.dead.empty()
