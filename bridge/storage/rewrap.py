"""Change the master key: wrap every key in the database anew, a few at a time, beside a running bridge or without one.

After a kill at any point some keys are wrapped by the one and some by the other master key. Whoever has both opens all
of them, and goes on where it ended.
"""

import asyncio

import structlog

from bridge.storage.database import Database, DatabaseError, TransactionConflict
from bridge.storage.sealing import Sealer

AT_ONCE = 500
TRY_AGAIN = 5.0
"""Seconds."""

SELECT = """
SELECT key_id, wrapped FROM content_keys WHERE key_id > $1 AND wrapped_by <> $2 ORDER BY key_id LIMIT $3
"""
PUT = "UPDATE content_keys SET wrapped = $2, wrapped_by = $3 WHERE key_id = $1 AND wrapped = $4"

log = structlog.get_logger(__name__)


class Rewrapping:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        """`sealer`: checked."""
        self._database = database
        self._sealer = sealer
        self._keys = sealer.master

    async def run(self) -> None:
        """All of it, once the database lets us."""
        while True:
            try:
                count = await self.all()
            except DatabaseError as trouble:
                log.warning("database_trouble", error=type(trouble).__qualname__)
                await asyncio.sleep(TRY_AGAIN)
                continue
            log.info("master_key_changed", wrapped=count, next="remove storage.former_master_key")
            return

    async def all(self) -> int:
        """How many keys the present master key had not wrapped yet. Raise `CannotOpen` where one opens with neither."""
        async with self._database.transaction() as tx:
            await self._sealer.keep_fingerprints(tx)
        count, last = 0, ""
        while True:
            done = await self._some(last)
            if done is None:
                return count
            count, last = count + done[0], done[1]

    async def is_done(self) -> bool:
        return not await self._database.fetch(SELECT, "", self._keys.name, 1)

    async def _some(self, after: str) -> tuple[int, str] | None:
        """How many, and the last one; None when there are no more."""
        rows = await self._database.fetch(SELECT, after, self._keys.name, AT_ONCE)
        if not rows:
            return None
        anew = []
        for row in rows:
            key_id = bytes.fromhex(row["key_id"])
            raw = self._keys.unwrap(key_id, row["wrapped"])
            anew.append((row["key_id"], self._keys.wrap(key_id, raw), self._keys.name, row["wrapped"]))
        try:
            async with self._database.transaction() as tx:
                await tx.execute_many(PUT, anew)
        except TransactionConflict:  # somebody else wraps them, too
            return await self._some(after)
        return len(rows), rows[-1]["key_id"]
