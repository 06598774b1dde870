"""Works off the lanes of a queue: many lanes at once, each in order; every failure is a retry or a dead letter."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from traceback import extract_tb
from typing import Protocol

import structlog

from bridge.core.clock import Clock
from bridge.delivery.metrics import ITEM_SECONDS, ITEMS
from bridge.delivery.queue import Item, Queue, Settled
from bridge.storage.database import Database, DatabaseError, Transaction

FIRST_DELAY = 250
LONGEST_DELAY = 5_000
"""Milliseconds. Short, because a lane that waits longer than the outage lasted is lost time to a person."""
MOST_FAULTS = 8
"""How many unexpected errors an item may cause before it becomes a dead letter."""
LANES_AT_ONCE = 64
"""Only so many items are in memory; of all other lanes in which something waits, only the name."""
PAUSE_IN_VAIN = 1.0
"""Seconds. Where more lanes wait than are worked off at once, and nothing succeeds, each attempt waits this long."""
SWEEP_EVERY = 10.0
"""Seconds. A commit that was stored though its answer was lost (PostgreSQL) wakes nobody: so look now and then."""
TELL_EVERY = 10
"""Of the attempts at one item, the first and every tenth are logged."""

Handler = Callable[[Item], Awaitable[None]]
"""Finishes (or parks) the item in the transaction that holds its effect, or raises `Retry` or `Fail`."""
OnDead = Callable[[Transaction, Item, str], Awaitable[None]]
"""Tells the item's feature, in the same transaction, that the item was given up and why."""

log = structlog.get_logger(__name__)


class Gate(Protocol):
    """Holds lanes up while it is not known what comes first in them."""

    def holds(self, lane: str) -> bool: ...

    def on_open(self, opened: Callable[[], None]) -> None:
        """Have `opened` called whenever lanes are held up no longer."""


class Retry(Exception):
    """Cannot be delivered now: try again, however often it takes. `delay`: ms the other side asked for."""

    def __init__(self, reason: str, *, delay: int | None = None) -> None:
        super().__init__(reason)
        self.delay = delay


class Fail(Exception):
    """Can never be delivered as it stands: keep it as a dead letter with this reason."""


@dataclass(slots=True)
class _Lane:
    """What is kept of a lane in which something waits. `came`: something has since its head was looked for;
    `last`: the item that its handler says is dealt with."""

    name: str
    came: bool = False
    last: int | None = None


class Dispatcher:
    """Runs the handlers of one queue, by topic."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        handlers: Mapping[str, Handler],
        clock: Clock,
        *,
        on_dead: Mapping[str, OnDead] | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._handlers = handlers
        self._on_dead = on_dead or {}
        self._gate = gate
        self._clock = clock
        self._held: list[_Lane] = []
        self._lanes: dict[str, _Lane] = {}
        self._ready: asyncio.Queue[_Lane] = asyncio.Queue()
        self._running = False
        self._in_vain = 0  # attempts since something succeeded
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Work until cancelled; begins with what an earlier process left behind."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(LANES_AT_ONCE):
                tasks.create_task(self._work())
            self._running = True
            self._queue.on_work(self._wake)
            if self._gate is not None:
                self._gate.on_open(self._open)
            try:
                while True:
                    await self._sweep()
                    await asyncio.sleep(SWEEP_EVERY)
            finally:
                self._running = False

    async def idle(self) -> None:
        """Return when no lane has work left (or all are waiting for a retry no longer): for orderly ends."""
        await self._idle.wait()

    async def _sweep(self) -> None:
        try:
            for lane in await self._queue.lanes():
                self._wake(lane)
        except DatabaseError as error:
            await self._database_trouble("all", error)

    def _wake(self, name: str) -> None:
        lane = self._lanes.get(name)
        if lane is not None:
            lane.came = True
        elif self._running:
            self._lanes[name] = lane = _Lane(name)
            self._idle.clear()
            self._ready.put_nowait(lane)

    async def _work(self) -> None:
        """One item of whichever lane is next, then another lane's: none waits until a long one is through."""
        while True:
            lane = await self._ready.get()
            if self._is_held(lane):
                self._held.append(lane)
                continue
            delay = await self._step(lane)
            if delay is None:
                self._forget(lane)
            elif delay > 0:
                asyncio.get_running_loop().call_later(delay / 1000, self._ready.put_nowait, lane)
            else:
                self._ready.put_nowait(lane)

    async def _step(self, lane: _Lane) -> int | None:
        """Attempt the lane's next item. Return in how many ms to look at the lane again, None where it is empty."""
        lane.came = False
        try:
            item = await self._queue.head(lane.name)
        except Exception as error:
            await self._database_trouble(lane.name, error)
            return 0
        if item is None:
            return 0 if lane.came else None
        if self._is_held(lane):
            return 0  # it may have come in with the doubt
        if item.seq == lane.last:
            # Or it was parked, and unparked before we looked: then the next attempt has what it needs.
            await self._fault(item, "its handler neither finished nor refused it")
            lane.last = None
            return 0
        delay = item.not_before - self._clock.now()
        if delay > 0:
            return delay
        if self._in_vain >= LANES_AT_ONCE < len(self._lanes):
            await asyncio.sleep(PAUSE_IN_VAIN)
        lane.last = item.seq if await self._attempt(item) else None
        return 0

    def _is_held(self, lane: _Lane) -> bool:
        return self._gate is not None and self._gate.holds(lane.name)

    def _open(self) -> None:
        while self._held:
            self._ready.put_nowait(self._held.pop())

    def _forget(self, lane: _Lane) -> None:
        del self._lanes[lane.name]
        if not self._lanes:
            self._idle.set()

    async def _attempt(self, item: Item) -> bool:
        """Return whether the handler says that the item is dealt with."""
        handler = self._handlers.get(item.topic)
        try:
            if handler is None:
                raise Fail(f"nobody handles {item.topic}")
            await handler(item)
            self._in_vain = 0
            ITEMS.labels(item.topic, "done").inc()
            ITEM_SECONDS.labels(item.topic).observe((self._clock.now() - item.created_at) / 1000)
            return True
        except Retry as decision:
            await self._again(item, decision)
        except DatabaseError as error:
            await self._again(item, Retry(type(error).__qualname__))
        except Settled:
            log.info("settled_before", topic=item.topic, id=item.id)
        except Fail as decision:
            log.warning("dead_letter", topic=item.topic, id=item.id, reason=str(decision))
            await self._decide(item, self._bury(item, str(decision)))
        except Exception as error:
            # Never the message of an unknown error: it may quote content.
            name = type(error).__qualname__
            log.error(
                "handler_failed",
                topic=item.topic,
                id=item.id,
                error=name,
                where=[f"{frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)],
            )
            await self._fault(item, name)
        return False

    async def _again(self, item: Item, decision: Retry) -> None:
        self._in_vain += 1
        ITEMS.labels(item.topic, "retried").inc()
        if item.attempts % TELL_EVERY == 0:
            log.warning(
                "tried_again", topic=item.topic, id=item.id, attempt=item.attempts + 1, reason=str(decision)
            )
        await self._decide(item, self._queue.retry(item, delay=_delay(item, decision), failure=str(decision)))

    async def _fault(self, item: Item, name: str) -> None:
        ITEMS.labels(item.topic, "fault").inc()
        if item.faults + 1 < MOST_FAULTS:
            again = self._queue.retry(item, delay=_delay(item, None), failure=name, fault=True)
            await self._decide(item, again)
        else:
            await self._decide(item, self._bury(item, f"gave up after {name}"))

    async def _bury(self, item: Item, reason: str) -> None:
        ITEMS.labels(item.topic, "dead").inc()
        async with self._database.transaction() as tx:
            on_dead = self._on_dead.get(item.topic)
            if on_dead is not None:
                await on_dead(tx, item, reason)
            await self._queue.bury(tx, item, failure=reason)

    async def _decide(self, item: Item, decision: Awaitable[object]) -> None:
        try:
            await decision
        except Settled:
            pass  # by an attempt whose answer was lost
        except Exception as error:
            await self._database_trouble(item.lane, error)

    async def _database_trouble(self, lane: str, error: Exception) -> None:
        log.error("database_trouble", lane=lane, error=type(error).__qualname__)
        await asyncio.sleep(1)


def _delay(item: Item, decision: Retry | None) -> int:
    """Exponential with full jitter above half, or what the other side asked for if that is longer."""
    backoff = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(item.attempts, 10))
    jittered = int(backoff * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
    asked = decision.delay if decision is not None else None
    return max(jittered, asked or 0)
