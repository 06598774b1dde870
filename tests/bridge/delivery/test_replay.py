"""A dead letter that is tried again: at once, once, and with all that it had."""

import asyncio

import pytest

from bridge.delivery.dispatcher import Fail
from bridge.delivery.inbox import Accepted
from bridge.delivery.queue import Item, Settled
from tests.bridge.delivery.desk import PATIENCE, Desk


class Mended:
    """Refuses everything until it is mended."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.mended = False

    async def handle(self, item: Item) -> None:
        if not self.mended:
            raise Fail("broken")
        await self.desk.finish(item)


async def revived(desk: Desk, item_id: str) -> None:
    item = await desk.inbox.dead(desk.database, item_id)
    assert item is not None
    async with desk.database.transaction() as tx:
        await desk.inbox.revive(tx, item)


async def test_the_running_process_takes_it_up_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bridge.delivery.dispatcher.SWEEP_EVERY", 2 * PATIENCE
    )  # else the sweep may have found it
    mended = Mended(desk)
    async with desk.worked_off(mended.handle):
        await desk.add("a")
        assert await desk.next_dead() == ("a", "broken")
        mended.mended = True
        await revived(desk, "a")
        assert await desk.next_done() == "a"
    assert await desk.effects() == ["a"]


async def test_of_two_that_replay_the_same_one_is_too_late(desk: Desk) -> None:
    mended = Mended(desk)
    async with desk.worked_off(mended.handle):
        await desk.add("a")
        await desk.next_dead()
    item = await desk.inbox.dead(desk.database, "a")
    assert item is not None

    async def revive() -> None:
        async with desk.database.transaction() as tx:
            await desk.inbox.revive(tx, item)

    outcomes = await asyncio.gather(revive(), revive(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [Settled]
    assert await desk.states() == {"a": "waiting"}


async def test_its_id_is_known_all_the_while(desk: Desk) -> None:
    """So that what comes in again meanwhile has no second effect."""
    mended = Mended(desk)
    async with desk.worked_off(mended.handle):
        await desk.add("a")
        await desk.next_dead()
    await revived(desk, "a")
    async with desk.database.transaction() as tx:
        assert await desk.insert(tx, "a") is Accepted.DUPLICATE
        assert await desk.insert(tx, "a", body=b"another") is Accepted.CONFLICT


async def test_a_replay_that_is_rolled_back_leaves_it_dead(desk: Desk) -> None:
    mended = Mended(desk)
    async with desk.worked_off(mended.handle):
        await desk.add("a")
        await desk.next_dead()
    before = dict(await desk.row("a"))  # type: ignore[call-overload]
    item = await desk.inbox.dead(desk.database, "a")
    assert item is not None

    async def fail() -> None:
        async with desk.database.transaction() as tx:
            await desk.inbox.revive(tx, item)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert dict(await desk.row("a")) == before  # type: ignore[call-overload]
