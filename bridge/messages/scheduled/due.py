"""Sees to it that what is scheduled is said in time, one after the other, and sleeps in between."""

import asyncio

import structlog

from bridge.core.clock import Clock
from bridge.core.ids import MessageId
from bridge.messages.scheduled.service import Schedule
from bridge.messages.scheduled.store import ScheduledStore
from bridge.storage.database import Database, DatabaseError, TransactionConflict

LOOK_EVERY = 5.0
"""Seconds. What another process scheduled wakes nobody here, and clocks are set: so look now and then."""
PAUSE_AFTER_FAILURE = 1.0

log = structlog.get_logger(__name__)


class DueMessages:
    def __init__(self, database: Database, store: ScheduledStore, schedule: Schedule, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._schedule = schedule
        self._clock = clock
        self._changed = asyncio.Event()
        schedule.on_change(self._changed.set)

    async def run(self) -> None:
        """Until cancelled. One process does; should two, each message is still said once."""
        while True:
            self._changed.clear()
            try:
                pause = await self.send_due()
            except DatabaseError as trouble:
                log.warning("database_trouble", error=type(trouble).__qualname__)
                pause = PAUSE_AFTER_FAILURE
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def send_due(self) -> float:
        """Say all whose time has come, in the order of their times. Return in how many seconds to look again."""
        while (first := await self._store.next(self._database)) is not None:
            wait = first.send_at - self._clock.now()
            if wait > 0:
                return min(LOOK_EVERY, wait / 1000)
            await self._send(first.scheduled_id)
        return LOOK_EVERY

    async def _send(self, scheduled_id: MessageId) -> None:
        try:
            async with self._database.transaction() as tx:
                await self._schedule.send(tx, scheduled_id)
        except TransactionConflict:
            return  # it is still the first
        except DatabaseError:
            raise
        except Exception as error:
            # One that cannot be sent must not keep all others waiting. Never the error's message: it may quote content.
            name = type(error).__qualname__
            log.error("scheduled_message_failed", scheduled_id=scheduled_id, error=name)
            async with self._database.transaction() as tx:
                await self._schedule.fail(
                    tx, scheduled_id, reason=f"It could not be sent ({name}). Schedule it once more."
                )
