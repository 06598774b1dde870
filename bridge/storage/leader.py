"""One process at a time works on a database: the leader. The others wait, and take over when it ends or dies.

A lock of the system says who leads. A process that was frozen or cut off may have lost it without knowing, so each
take-over also raises a number in the database, the fence: who no longer has the newest commits nothing that matters.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import structlog

from bridge.core.clock import Clock
from bridge.storage.database import Database, DatabaseError, Transaction, sqlite_path
from bridge.storage.file_lock import FileLock
from bridge.storage.session_lock import SessionLock

LOOK_EVERY = 0.5
"""Seconds: of a waiting process for the lock, of the leader for whether it leads still."""

TAKE_OVER = """
INSERT INTO leader (one, fence, since) VALUES (1, 1, $1)
ON CONFLICT (one) DO UPDATE SET fence = leader.fence + 1, since = excluded.since RETURNING fence
"""
SELECT_FENCE = "SELECT fence FROM leader WHERE one = 1"
SELECT_FENCE_TO_KEEP = SELECT_FENCE + " FOR UPDATE"

Guard = Callable[[Transaction], Awaitable[None]]
"""Called in a transaction that only the leader may commit; raises `Overtaken`."""

log = structlog.get_logger(__name__)


class Overtaken(DatabaseError):
    """Another process leads now. Nothing of the transaction is stored."""


class Lock(Protocol):
    """Held by one process at a time; freed by the system when that ends, however it ends."""

    async def acquire(self) -> bool:
        """Whether it is ours now; does not wait for whoever has it. Raises `DatabaseUnavailable`."""
        ...

    async def is_held(self) -> bool:
        """Whether it is ours still."""
        ...

    async def release(self) -> None: ...


def lock_of(url: str) -> Lock:
    """`url`: as for `open_database`."""
    path = sqlite_path(url)
    return SessionLock(url, "leader") if path is None else FileLock(f"{path}.leader")


async def unguarded(tx: Transaction) -> None:
    """Where there is one process for certain."""


class Leader:
    def __init__(self, database: Database, lock: Lock, clock: Clock) -> None:
        self._database = database
        self._lock = lock
        self._clock = clock
        self._fence: int | None = None
        self._doubts = False
        self._overtaken = asyncio.Event()

    async def lead(self) -> None:
        """Return once this process leads: at once, or when the one that does has ended."""
        waits = False
        while not await self._takes_over():
            if not waits:
                log.warning("waits_for_leader", reason="another process works on this database")
            waits = True
            await asyncio.sleep(LOOK_EVERY)
        log.info("leads", fence=self._fence)

    async def watch(self) -> None:
        """Raise `Overtaken` once another process leads. A database that is away is waited for."""
        while await self._leads_still():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._overtaken.wait()
        log.error("overtaken", fence=self._fence)
        raise Overtaken("another process works on this database now")

    async def check(self, tx: Transaction) -> None:
        """See `Guard`. Nobody takes over between this and the commit."""
        if await tx.fetch_value(SELECT_FENCE_TO_KEEP) != self._fence:
            self._overtaken.set()
            raise Overtaken("another process works on this database now")

    @property
    def waits(self) -> bool:
        return self._fence is None

    def trouble(self) -> str | None:
        """Why this process is not, or not surely, the one that works; or None."""
        if self.waits:
            return "waits: another process works on this database"
        if self._overtaken.is_set():
            return "another process works on this database now"
        return "whether another process works now cannot be asked" if self._doubts else None

    async def close(self) -> None:
        """Let the next one lead."""
        await self._lock.release()

    async def _takes_over(self) -> bool:
        try:
            if not await self._lock.acquire():
                return False
            async with self._database.transaction() as tx:
                fence = await tx.fetch_value(TAKE_OVER, self._clock.now())
        except DatabaseError as trouble:
            log.warning("database_trouble", error=type(trouble).__qualname__)
            return False
        self._fence = fence
        return True

    async def _leads_still(self) -> bool:
        if self._overtaken.is_set():
            return False
        try:
            if not await self._lock.is_held():
                self._doubts = True
                regained = await self._lock.acquire()  # else our own former session may still have it
                log.warning("leader_lock_lost", regained=regained)
            if await self._database.fetch_value(SELECT_FENCE) == self._fence:
                self._doubts = False
                return True
        except DatabaseError:
            self._doubts = True
            return True  # without the database nothing can be done twice
        self._overtaken.set()
        return False
