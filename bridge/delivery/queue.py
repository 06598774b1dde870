"""The inbox and outbox tables: rows wait in lanes; a lane is worked off in order, one row at a time."""

from collections.abc import Callable
from dataclasses import dataclass

from bridge.core.clock import Clock
from bridge.core.ids import TenantId
from bridge.storage.database import Database, Row, Transaction
from bridge.storage.sealing import Sealer

_ITEM = "seq, id, tenant_id, lane, topic, body, attempts, not_before, created_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row to work on. `body` is the opened body; `prepared` what an earlier attempt fixed (outbox only)."""

    seq: int
    id: str
    tenant_id: TenantId
    lane: str
    topic: str
    body: bytes
    attempts: int
    not_before: int
    created_at: int
    prepared: bytes | None = None
    prepared_at: int | None = None


class Queue:
    """What the inbox and the outbox share. Both tables name these columns alike."""

    table: str
    extra_columns = ""

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
            f"UPDATE {self.table} SET state = 'done', body = NULL, failure = NULL, finished_at = $2"
            " WHERE id = $1"
        )
        self._retry = (
            f"UPDATE {self.table} SET attempts = attempts + 1, not_before = $2, failure = $3 WHERE id = $1"
        )
        self._bury = f"UPDATE {self.table} SET state = 'dead', failure = $2, finished_at = $3 WHERE id = $1"

    def on_work(self, wake: Callable[[str], None]) -> None:
        """Have `wake(lane)` called after each commit that left work in a lane."""
        self._wake = wake

    async def lanes(self) -> list[str]:
        return [row["lane"] for row in await self._database.fetch(self._lanes)]

    async def head(self, lane: str) -> Item | None:
        row = await self._database.fetch_one(self._head, lane)
        return None if row is None else await self._item(row)

    async def finish(self, tx: Transaction, item: Item) -> None:
        """The item's effect is in this transaction: forget its body."""
        await tx.execute(self._finish, item.id, self._clock.now())

    async def retry(self, item: Item, *, delay: int, failure: str) -> int:
        """Try the item again in `delay` ms; its lane waits with it. Return the time of the next attempt."""
        not_before = self._clock.now() + delay
        async with self._database.transaction() as tx:
            await tx.execute(self._retry, item.id, not_before, failure)
        return not_before

    async def bury(self, tx: Transaction, item: Item, *, failure: str) -> None:
        """Give the item up: it stays, with its body and the reason, as a dead letter; its lane goes on."""
        await tx.execute(self._bury, item.id, failure, self._clock.now())

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
            not_before=row["not_before"],
            created_at=row["created_at"],
        )
