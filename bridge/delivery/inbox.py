"""What came in: kept before it is acknowledged, applied once, its id remembered for ever."""

import dataclasses
import enum
from collections.abc import Sequence

from bridge.core.ids import TenantId
from bridge.delivery.queue import Item, Queue
from bridge.storage.database import Reader, Row, Transaction

INSERT = """
INSERT INTO inbox (id, tenant_id, lane, topic, body, body_hash, state, failure, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING
"""
SELECT_HASH = "SELECT body_hash FROM inbox WHERE id = $1"
PARK = "UPDATE inbox SET state = 'parked', parked_for = $2 WHERE id = $1"
SET_FIRST_SEQ = "UPDATE inbox SET first_seq = $2 WHERE id = $1 AND first_seq IS NULL"
UNPARK = """
UPDATE inbox SET state = 'waiting' WHERE parked_for = $1 AND state = 'parked' RETURNING lane
"""
UNPARK_ONE = "UPDATE inbox SET state = 'waiting' WHERE id = $1 AND state = 'parked' RETURNING lane"
SELECT_LONGEST_PARKED = """
SELECT created_at, id FROM inbox WHERE topic = $1 AND state = 'parked' ORDER BY created_at LIMIT 1
"""
FORGET_PARKED = """
UPDATE inbox SET state = 'done', body = NULL, failure = $2, finished_at = $3 WHERE parked_for = $1 AND state = 'parked'
"""
FORGET_DEAD = """
UPDATE inbox SET state = 'done', body = NULL, failure = $2, finished_at = $3 WHERE parked_for = $1 AND state = 'dead'
"""
IS_SETTLED = "SELECT 1 FROM inbox WHERE id = $1 AND state IN ('done', 'dead')"
SELECT_SET_ASIDE = "SELECT * FROM inbox WHERE id = $1 AND state IN ('parked', 'dead')"
DROP = """
UPDATE inbox SET state = 'done', body = NULL, failure = NULL, finished_at = $2
WHERE id = $1 AND state IN ('parked', 'dead')
"""
MOVE = "UPDATE inbox SET lane = $2 WHERE id = $1 AND state = 'dead'"
SELECT_NEWEST = "SELECT COALESCE(MAX(seq), 0) FROM inbox"
SELECT_UNAPPLIED = """
SELECT id, seq FROM inbox WHERE lane = $1 AND state = 'waiting'
UNION ALL SELECT id, seq FROM inbox WHERE lane = $1 AND state = 'parked'
"""
SEAT = "UPDATE inbox SET seq = $2 WHERE id = $1"
SELECT_EARLIER = "SELECT 1 FROM inbox WHERE lane = $1 AND state = 'waiting' AND seq < $2 LIMIT 1"


class Accepted(enum.Enum):
    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    """The id was accepted before, with another body."""


class Inbox(Queue):
    table = "inbox"
    extra_columns = ", parked_for, first_seq"
    kept_columns = ", body_hash, first_seq"

    async def add(
        self,
        tx: Transaction,
        *,
        item_id: str,
        tenant_id: TenantId,
        lane: str,
        topic: str,
        body: bytes,
        meaning: bytes | None = None,
    ) -> Accepted:
        """Keep what came in. It is durable once the transaction has committed; only then acknowledge it.

        `meaning`: of a body that says the same in several ways, what is the same in all of them.
        """
        return await self._insert(
            tx, item_id, tenant_id, lane, topic, body, state="waiting", failure=None, meaning=meaning
        )

    async def add_dead(
        self,
        tx: Transaction,
        *,
        item_id: str,
        tenant_id: TenantId,
        lane: str,
        topic: str,
        body: bytes,
        failure: str,
    ) -> Accepted:
        """Keep what nothing can be done with, for a person to see."""
        return await self._insert(tx, item_id, tenant_id, lane, topic, body, state="dead", failure=failure)

    async def park(self, tx: Transaction, item_id: str, *, until: str) -> None:
        """Set the item aside until `unpark` is called with the same word; its lane goes on without it.

        Call `tx.lock(until)` before looking for what the item waits for, else it could come unseen in between.
        """
        await tx.execute(PARK, item_id, until)

    async def is_overtaking(self, tx: Transaction, item: Item) -> bool:
        """Whether an earlier item of the lane, parked when this one was taken up, waits again: that one goes first."""
        return bool(await tx.fetch(SELECT_EARLIER, item.lane, item.seq))

    async def newest(self, reader: Reader) -> int:
        """The place of what came in last."""
        return int(await reader.fetch_value(SELECT_NEWEST))

    async def arrange(self, tx: Transaction, lane: str, item_ids: Sequence[str], *, looked_at: int) -> None:
        """Have what is not applied yet of these items come one after the other, as given.

        `looked_at`: `newest` when it was asked which these are. What else came in later comes after them, and what else
        there was before.
        """
        order = {item_id: number for number, item_id in enumerate(item_ids)}
        rows = sorted(await tx.fetch(SELECT_UNAPPLIED, lane), key=lambda row: int(row["seq"]))

        def place(row: Row) -> tuple[int, int]:
            if row["id"] in order:
                return (1, order[row["id"]])
            return (0 if row["seq"] <= looked_at else 2, row["seq"])

        seats = zip(sorted(rows, key=place), rows, strict=True)
        moved = [(row["id"], seat["seq"]) for row, seat in seats if row["id"] != seat["id"]]
        # All get up first: no two may have the same.
        await tx.execute_many(SEAT, [(item_id, -seq) for item_id, seq in moved])
        await tx.execute_many(SEAT, moved)

    async def move(self, tx: Transaction, item: Item) -> None:
        """A dead letter belongs into the item's lane."""
        await tx.execute(MOVE, item.id, item.lane)

    async def revive(self, tx: Transaction, item: Item) -> None:
        await super().revive(tx, item)
        await tx.execute(SET_FIRST_SEQ, item.id, item.seq)

    async def unpark(self, tx: Transaction, until: str) -> None:
        for row in await tx.fetch(UNPARK, until):
            self._work_waits(tx, row["lane"])

    async def unpark_one(self, tx: Transaction, item_id: str) -> None:
        """Have it tried once more, though what it waits for has not come."""
        for row in await tx.fetch(UNPARK_ONE, item_id):
            self._work_waits(tx, row["lane"])

    async def longest_parked(self, reader: Reader, topic: str) -> tuple[int, str] | None:
        """Of those that are parked, the one that came first: when, and its id."""
        row = await reader.fetch_one(SELECT_LONGEST_PARKED, topic)
        return None if row is None else (row["created_at"], row["id"])

    async def forget_parked(self, tx: Transaction, until: str, *, remark: str) -> None:
        """What waits for this word, or has in vain, is to have no effect any more: forget the bodies."""
        for statement in (FORGET_PARKED, FORGET_DEAD):
            await tx.execute(statement, until, remark, self._clock.now())

    async def is_settled(self, reader: Reader, item_id: str) -> bool:
        """Whether it came, and was applied or given up."""
        return await reader.fetch_value(IS_SETTLED, item_id) is not None

    async def set_aside(self, tx: Transaction, item_id: str) -> Item | None:
        """The item, if it is parked or a dead letter."""
        row = await tx.fetch_one(SELECT_SET_ASIDE, item_id)
        return None if row is None else await self._item(row)

    async def drop(self, tx: Transaction, item: Item) -> None:
        """Forget what `set_aside` gave: it is never to be applied."""
        await tx.execute(DROP, item.id, self._clock.now())

    async def _item(self, row: Row) -> Item:
        item = await super()._item(row)
        return dataclasses.replace(item, parked_for=row["parked_for"], first_seq=row["first_seq"])

    async def _insert(
        self,
        tx: Transaction,
        item_id: str,
        tenant_id: TenantId,
        lane: str,
        topic: str,
        body: bytes,
        *,
        state: str,
        failure: str | None,
        meaning: bytes | None = None,
    ) -> Accepted:
        digest = self._sealer.fingerprint(body if meaning is None else meaning)
        sealed = await self._sealer.seal(tx, tenant_id, "inbox", body, place=self._place(item_id))
        added = await tx.execute(
            INSERT, item_id, tenant_id, lane, topic, sealed, digest, state, failure, self._clock.now()
        )
        # A duplicate too: the first may be stored without its commit having been heard of.
        self._work_waits(tx, lane)
        if added:
            return Accepted.NEW
        # One that came before there were meanings is known by its body.
        same = await tx.fetch_value(SELECT_HASH, item_id) in (digest, self._sealer.fingerprint(body))
        return Accepted.DUPLICATE if same else Accepted.CONFLICT
