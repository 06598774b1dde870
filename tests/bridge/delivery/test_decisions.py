"""Each failure is a retry or a dead letter, and a dead letter keeps all that is needed to see why."""

import asyncio
from itertools import pairwise

import pytest

from bridge.core.clock import FrozenClock
from bridge.delivery.dispatcher import (
    FIRST_DELAY,
    LONGEST_DELAY,
    MOST_FAULTS,
    Fail,
    Handler,
    Retry,
)
from bridge.delivery.inbox import Inbox
from bridge.delivery.queue import Item
from bridge.storage.database import Database, DatabaseUnavailable, Transaction
from bridge.storage.sealing import Sealer
from tests.bridge.delivery.desk import MASTER_KEY, NOTE_EFFECT, Desk, RushingClock


def refusing(desk: Desk, times: int, error: Exception, seen: list[Item]) -> Handler:
    async def handler(item: Item) -> None:
        seen.append(item)
        if len(seen) <= times:
            raise error
        await desk.finish(item)

    return handler


async def test_a_retry_waits_longer_each_time_up_to_a_limit(desk: Desk) -> None:
    seen: list[Item] = []
    clock = desk.clock
    assert isinstance(clock, RushingClock)
    await desk.add("a")
    async with desk.worked_off(refusing(desk, 8, Retry("not yet"), seen)):
        assert await desk.next_done() == "a"
    assert [item.attempts for item in seen] == list(range(9))
    for earlier, later in pairwise(seen):
        full = min(LONGEST_DELAY, FIRST_DELAY * 2**earlier.attempts)
        assert full / 2 - 1 <= clock.delay_until(later.not_before) <= full


async def test_a_retry_waits_as_long_as_the_other_side_asks_for(desk: Desk) -> None:
    seen: list[Item] = []
    clock = desk.clock
    assert isinstance(clock, RushingClock)
    await desk.add("a")
    async with desk.worked_off(refusing(desk, 1, Retry("too fast", delay=42_000), seen)):
        await desk.next_done()
    assert clock.delay_until(seen[1].not_before) == 42_000


async def test_nothing_is_tried_before_its_time(database: Database) -> None:
    class Telling(Inbox):
        retried = asyncio.Event()

        async def retry(self, item: Item, *, delay: int, failure: str, fault: bool = False) -> None:
            await super().retry(item, delay=delay, failure=failure, fault=fault)
            self.retried.set()

    desk, seen = Desk(database, FrozenClock()), list[Item]()
    telling = Telling(database, Sealer(MASTER_KEY, desk.clock), desk.clock)
    desk.inbox = telling
    await desk.add("a", lane="a")
    async with desk.worked_off(refusing(desk, 1, Retry("not yet", delay=3_600_000), seen)):
        await telling.retried.wait()
        await desk.add("b", lane="b")
        assert await desk.next_done() == "b"
    assert [item.id for item in seen] == ["a", "b"]
    assert (await desk.row("a"))["not_before"] == desk.clock.now() + 3_600_000


async def test_a_retry_is_never_given_up(desk: Desk) -> None:
    await desk.add("a")
    async with desk.worked_off(refusing(desk, 5 * MOST_FAULTS, Retry("away"), [])):
        assert await desk.next_done() == "a"
    assert (await desk.row("a"))["failure"] is None


async def test_a_refusal_is_a_dead_letter_at_once_with_body_and_reason(desk: Desk) -> None:
    seen: list[Item] = []
    await desk.add("a", "b")
    async with desk.worked_off(refusing(desk, 1, Fail("no such person"), seen)):
        assert await desk.next_dead() == ("a", "no such person")
        assert await desk.next_done() == "b"
    row = await desk.row("a")
    opened = await Sealer(MASTER_KEY, desk.clock).open(desk.database, row["body"], place="inbox.body:a")
    assert (row["state"], row["failure"], opened) == ("dead", "no such person", b"a")
    assert row["finished_at"] is not None


async def test_an_unexpected_error_is_tried_again_and_then_given_up_without_its_words(desk: Desk) -> None:
    seen: list[Item] = []
    await desk.add("a", "b")
    async with desk.worked_off(refusing(desk, MOST_FAULTS, ValueError("text of a message"), seen)):
        assert await desk.next_dead() == ("a", "gave up after ValueError")
        assert await desk.next_done() == "b"
    assert [item.id for item in seen] == ["a"] * MOST_FAULTS + ["b"]
    assert "text" not in (await desk.row("a"))["failure"]


async def test_what_nobody_handles_is_a_dead_letter(desk: Desk) -> None:
    await desk.add("a", topic="unknown")
    async with desk.worked_off():
        assert await desk.next_dead() == ("a", "nobody handles unknown")


async def test_a_handler_that_neither_finishes_nor_refuses_ends_as_a_dead_letter(desk: Desk) -> None:
    async def forgetful(item: Item) -> None:
        if item.id == "b":
            await desk.finish(item)

    await desk.add("a", "b")
    async with desk.worked_off(forgetful):
        item_id, reason = await desk.next_dead()
        assert (item_id, "neither finished nor refused" in reason) == ("a", True)
        assert await desk.next_done() == "b"


async def test_an_effect_without_its_finish_does_not_stay(desk: Desk) -> None:
    failures = 0

    async def half(item: Item) -> None:
        nonlocal failures
        async with desk.database.transaction() as tx:
            await tx.execute(NOTE_EFFECT, item.id)
            await desk.inbox.finish(tx, item)
            if failures < 2:
                failures += 1
                raise Retry("the last step fails")
            tx.after_commit(lambda: desk.done.put_nowait(item))

    await desk.add("a")
    async with desk.worked_off(half):
        await desk.next_done()
    assert await desk.effects() == ["a"]


async def test_a_dead_letter_and_what_its_feature_is_told_are_one_commit(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = 0

    async def fails_first(tx: Transaction, item: Item, reason: str) -> None:
        nonlocal told
        told += 1
        await tx.execute(NOTE_EFFECT, item.id)
        if told == 1:
            raise DatabaseUnavailable("away")
        tx.after_commit(lambda: desk.dead.put_nowait((item, reason)))

    monkeypatch.setattr(desk, "on_dead", fails_first)
    await desk.add("a")
    async with desk.worked_off(refusing(desk, 9, Fail("never"), [])):
        assert await desk.next_dead() == ("a", "never")
    assert await desk.effects() == ["a"]


async def test_an_outage_of_the_database_is_waited_out(desk: Desk) -> None:
    class Away(Inbox):
        outages = 1

        async def head(self, lane: str) -> Item | None:
            if self.outages:
                self.outages -= 1
                raise DatabaseUnavailable("away")
            return await super().head(lane)

    away = Away(desk.database, Sealer(MASTER_KEY, desk.clock), desk.clock)
    await desk.add("a")
    async with desk.worked_off(queue=away):
        assert await desk.next_done() == "a"
