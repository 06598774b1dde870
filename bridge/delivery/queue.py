"""The inbox and outbox tables: rows wait in lanes; a lane is worked off in order, one row at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bridge.core.clock import Clock
from bridge.core.ids import TenantId
from bridge.storage.database import Database, Reader, Row, Transaction
from bridge.storage.sealing import CannotOpen, Sealer

_ITEM = "seq, id, tenant_id, lane, topic, body, attempts, faults, not_before, created_at"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row to work on. `body` is the opened body; `prepared` what an earlier attempt fixed (outbox only);
    `parked_for` what it has waited for last, `first_seq` its `seq` when it was accepted, where a replay changed that
    (both inbox only)."""

    seq: int
    id: str
    tenant_id: TenantId
    lane: str
    topic: str
    body: bytes
    attempts: int
    faults: int
    not_before: int
    created_at: int
    parked_for: str | None = None
    first_seq: int | None = None
    prepared: bytes | None = None
    prepared_at: int | None = None


class Settled(Exception):
    """The item was finished, parked or given up already: whatever was about to be done again is rolled back."""


class Queue:
    """What the inbox and the outbox share. Both tables name these columns alike."""

    table: str
    extra_columns = ""
    kept_columns = ""
    """What a dead letter keeps when it is tried again, beyond what both tables have."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._wake: Callable[[str], None] = lambda lane: None
        columns = _ITEM + self.extra_columns
        # The table's name is a class constant, never input.
        self._head = (
            f"SELECT {columns} FROM {self.table} WHERE lane = $1 AND state = 'waiting' ORDER BY seq LIMIT 1"
        )
        self._lanes = f"SELECT DISTINCT lane FROM {self.table} WHERE state = 'waiting'"
        self._finish = (
            f"UPDATE {self.table} SET state = 'done', body = NULL, failure = $3, finished_at = $2"
            " WHERE id = $1 AND state = 'waiting'"
        )
        self._retry = (
            f"UPDATE {self.table} SET attempts = attempts + 1, faults = faults + $4, not_before = $2, failure = $3"
            " WHERE id = $1 AND seq = $5 AND state = 'waiting'"
        )
        self._dead = f"SELECT {columns} FROM {self.table} WHERE id = $1 AND state = 'dead'"
        kept = f"tenant_id, lane, topic, body, created_at{self.kept_columns}"
        self._revive = (
            # A new row, because `seq` is the place in the lane.
            f"UPDATE {self.table} SET id = 'replayed:' || id WHERE id = $1 AND state = 'dead'",
            f"INSERT INTO {self.table} (id, {kept}) SELECT $1, {kept} FROM {self.table} WHERE id = 'replayed:' || $1",
            f"DELETE FROM {self.table} WHERE id = 'replayed:' || $1",
        )
        self._bury = (
            f"UPDATE {self.table} SET state = 'dead', failure = $2, finished_at = $3"
            " WHERE id = $1 AND seq = $4 AND state = 'waiting'"
        )

    def on_work(self, wake: Callable[[str], None]) -> None:
        """Have `wake(lane)` called after each commit that left work in a lane."""
        self._wake = wake

    async def lanes(self) -> list[str]:
        return [row["lane"] for row in await self._database.fetch(self._lanes)]

    async def head(self, lane: str) -> Item | None:
        """The next item of the lane. One whose body does not open any more becomes a dead letter."""
        while row := await self._database.fetch_one(self._head, lane):
            try:
                return await self._item(row)
            except CannotOpen as reason:
                log.error("unreadable_item", table=self.table, id=row["id"], reason=str(reason))
                async with self._database.transaction() as tx:
                    await tx.execute(self._bury, row["id"], str(reason), self._clock.now(), row["seq"])
        return None

    async def finish(self, tx: Transaction, item: Item, *, remark: str | None = None) -> None:
        """The item's effect is in this transaction: forget its body. Raise `Settled` where it had its effect.

        `remark`: why it is to have none.
        """
        if not await tx.execute(self._finish, item.id, self._clock.now(), remark):
            raise Settled

    async def retry(self, item: Item, *, delay: int, failure: str, fault: bool = False) -> None:
        """Try the item again in `delay` ms; its lane waits with it. `fault`: by an error that nobody expected.

        Nothing, where it was moved within its lane meanwhile: its turn comes once more.
        """
        async with self._database.transaction() as tx:
            await tx.execute(self._retry, item.id, self._clock.now() + delay, failure, int(fault), item.seq)

    async def bury(self, tx: Transaction, item: Item, *, failure: str) -> None:
        """Give the item up: it stays, with its body and the reason, as a dead letter; its lane goes on.

        Raise `Settled` where it was moved within its lane meanwhile: what failed was not its turn.
        """
        if not await tx.execute(self._bury, item.id, failure, self._clock.now(), item.seq):
            raise Settled

    async def dead(self, reader: Reader, item_id: str) -> Item | None:
        """The dead letter of this id. Raise `CannotOpen`."""
        row = await reader.fetch_one(self._dead, item_id)
        return None if row is None else await self._item(row)

    async def revive(self, tx: Transaction, item: Item) -> None:
        """Have a dead letter tried again, at the end of its lane: what waits there may be encrypted already, and in
        flight. It keeps its id, its body and what was prepared. Raise `Settled` where it is dead no more."""
        rename, copy, forget = self._revive
        if not await tx.execute(rename, item.id):
            raise Settled
        await tx.execute(copy, item.id)
        await tx.execute(forget, item.id)
        self._work_waits(tx, item.lane)

    def _work_waits(self, tx: Transaction, lane: str) -> None:
        tx.after_commit(lambda: self._wake(lane))

    def _place(self, item_id: str) -> str:
        return f"{self.table}.body:{item_id}"

    async def _item(self, row: Row) -> Item:
        body = await self._sealer.open(self._database, row["body"], place=self._place(row["id"]))
        return Item(
            seq=row["seq"],
            id=row["id"],
            tenant_id=TenantId(row["tenant_id"]),
            lane=row["lane"],
            topic=row["topic"],
            body=body,
            attempts=row["attempts"],
            faults=row["faults"],
            not_before=row["not_before"],
            created_at=row["created_at"],
        )
