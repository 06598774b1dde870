"""Sees to it that quotes expire in time."""

from bridge.core.clock import Clock
from bridge.core.ids import QuoteId
from bridge.delivery.due import Due
from bridge.quotes.service import Quotes
from bridge.quotes.store import QuoteStore
from bridge.storage.database import Database, Reader, Transaction


class DueQuotes(Due[QuoteId]):
    def __init__(self, database: Database, store: QuoteStore, quotes: Quotes, clock: Clock) -> None:
        super().__init__(database, clock)
        self._store = store
        self._quotes = quotes
        quotes.on_change(self.wake)

    async def next(self, reader: Reader) -> tuple[int, QuoteId] | None:
        first = await self._store.next(reader)
        return None if first is None else (first.valid_until, first.quote_id)

    async def do(self, tx: Transaction, what: QuoteId) -> None:
        await self._quotes.expire(tx, what)

    async def give_up(self, tx: Transaction, what: QuoteId, error: str) -> None:
        """It expires without a word, as it cannot be read."""
        await self._quotes.expire_unread(tx, what)
