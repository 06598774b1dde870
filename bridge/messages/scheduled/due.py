"""Sees to it that what is scheduled is said in time."""

from bridge.core.clock import Clock
from bridge.core.ids import MessageId
from bridge.delivery.due import Due
from bridge.messages.scheduled.service import Schedule
from bridge.messages.scheduled.store import ScheduledStore
from bridge.storage.database import Database, Reader, Transaction


class DueMessages(Due[MessageId]):
    def __init__(self, database: Database, store: ScheduledStore, schedule: Schedule, clock: Clock) -> None:
        super().__init__(database, clock)
        self._store = store
        self._schedule = schedule
        schedule.on_change(self.wake)

    async def next(self, reader: Reader) -> tuple[int, MessageId] | None:
        first = await self._store.next(reader)
        return None if first is None else (first.send_at, first.scheduled_id)

    async def do(self, tx: Transaction, what: MessageId) -> None:
        await self._schedule.send(tx, what)

    async def give_up(self, tx: Transaction, what: MessageId, error: str) -> None:
        reason = f"It could not be sent ({error}). Schedule it once more."
        await self._schedule.fail(tx, what, reason=reason)
