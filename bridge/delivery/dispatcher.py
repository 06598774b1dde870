"""Works off the lanes of a queue: many lanes at once, each in order; every failure is a retry or a dead letter."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from traceback import extract_tb

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
SWEEP_EVERY = 30.0
"""Seconds. A commit that was stored though its answer was lost (PostgreSQL) wakes nobody: so look now and then."""
TELL_EVERY = 10
"""Of the attempts at one item, the first and every tenth are logged."""

Handler = Callable[[Item], Awaitable[None]]
"""Finishes (or parks) the item in the transaction that holds its effect, or raises `Retry` or `Fail`."""
OnDead = Callable[[Transaction, Item, str], Awaitable[None]]
"""Tells the item's feature, in the same transaction, that the item was given up and why."""

log = structlog.get_logger(__name__)


class Retry(Exception):
    """Cannot be delivered now: try again, however often it takes. `delay`: ms the other side asked for."""

    def __init__(self, reason: str, *, delay: int | None = None) -> None:
        super().__init__(reason)
        self.delay = delay


class Fail(Exception):
    """Can never be delivered as it stands: keep it as a dead letter with this reason."""


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
    ) -> None:
        self._database = database
        self._queue = queue
        self._handlers = handlers
        self._on_dead = on_dead or {}
        self._clock = clock
        self._active: dict[str, bool] = {}  # lane -> something came while it was being worked off
        self._slots = asyncio.Semaphore(LANES_AT_ONCE)
        self._tasks: asyncio.TaskGroup | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Work until cancelled; begins with what an earlier process left behind."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._queue.on_work(self._wake)
            try:
                while True:
                    await self._sweep()
                    await asyncio.sleep(SWEEP_EVERY)
            finally:
                self._tasks = None

    async def idle(self) -> None:
        """Return when no lane has work left (or all are waiting for a retry no longer): for orderly ends."""
        await self._idle.wait()

    async def _sweep(self) -> None:
        try:
            for lane in await self._queue.lanes():
                self._wake(lane)
        except DatabaseError as error:
            await self._database_trouble("all", error)

    def _wake(self, lane: str) -> None:
        if lane in self._active:
            self._active[lane] = True
        elif self._tasks is not None:
            self._active[lane] = False
            self._idle.clear()
            self._tasks.create_task(self._work_off(lane))

    async def _work_off(self, lane: str) -> None:
        last: int | None = None
        try:
            while True:
                self._active[lane] = False
                try:
                    item = await self._queue.head(lane)
                except Exception as error:
                    await self._database_trouble(lane, error)
                    continue
                if item is None:
                    if not self._active[lane]:
                        return
                    continue
                if item.seq == last:
                    # Or it was parked, and unparked before we looked: then the next attempt has what it needs.
                    await self._fault(item, "its handler neither finished nor refused it")
                    last = None
                    continue
                await self._wait_until(item.not_before)
                async with self._slots:
                    last = item.seq if await self._attempt(item) else None
        finally:
            del self._active[lane]
            if not self._active:
                self._idle.set()

    async def _attempt(self, item: Item) -> bool:
        """Return whether the handler says that the item is dealt with."""
        handler = self._handlers.get(item.topic)
        try:
            if handler is None:
                raise Fail(f"nobody handles {item.topic}")
            await handler(item)
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

    async def _wait_until(self, time: int) -> None:
        delay = time - self._clock.now()
        if delay > 0:
            await asyncio.sleep(delay / 1000)


def _delay(item: Item, decision: Retry | None) -> int:
    """Exponential with full jitter above half, or what the other side asked for if that is longer."""
    backoff = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(item.attempts, 10))
    jittered = int(backoff * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
    asked = decision.delay if decision is not None else None
    return max(jittered, asked or 0)
