"""Sees to it that quotes expire in time, one after the other, and sleeps in between."""

import asyncio

import structlog

from bridge.core.clock import Clock
from bridge.core.ids import QuoteId
from bridge.quotes.service import Quotes
from bridge.quotes.store import QuoteStore
from bridge.storage.database import Database, DatabaseError, TransactionConflict

LOOK_EVERY = 5.0
"""Seconds. What another process sent wakes nobody here, and clocks are set: so look now and then."""
PAUSE_AFTER_FAILURE = 1.0

log = structlog.get_logger(__name__)


class DueQuotes:
    def __init__(self, database: Database, store: QuoteStore, quotes: Quotes, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._quotes = quotes
        self._clock = clock
        self._changed = asyncio.Event()
        quotes.on_change(self._changed.set)

    async def run(self) -> None:
        """Until cancelled. One process does; should two, each quote still expires once."""
        while True:
            self._changed.clear()
            try:
                pause = await self.expire_due()
            except DatabaseError as trouble:
                log.warning("database_trouble", error=type(trouble).__qualname__)
                pause = PAUSE_AFTER_FAILURE
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def expire_due(self) -> float:
        """Let all expire whose time is over. Return in how many seconds to look again."""
        while (first := await self._store.next(self._database)) is not None:
            wait = first.valid_until - self._clock.now()
            if wait > 0:
                return min(LOOK_EVERY, wait / 1000)
            await self._expire(first.quote_id)
        return LOOK_EVERY

    async def _expire(self, quote_id: QuoteId) -> None:
        try:
            async with self._database.transaction() as tx:
                await self._quotes.expire(tx, quote_id)
        except TransactionConflict:
            return  # it is still the first
        except DatabaseError:
            raise
        except Exception as error:
            # One that cannot be read must not keep all others waiting. Never the error's message: it may quote content.
            log.error("quote_not_told", quote_id=quote_id, error=type(error).__qualname__)
            async with self._database.transaction() as tx:
                await self._quotes.expire_unread(tx, quote_id)
