"""Ends what somebody offers who asked to be erased: nobody stands by it any more, and nobody is named."""

from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId, QuoteId, TenantId
from bridge.quotes.model import OPEN
from bridge.quotes.outcomes import Outcomes
from bridge.quotes.rules import state_at
from bridge.quotes.store import QuoteStore
from bridge.storage.database import Transaction
from bridge.storage.sealing import CannotOpen


class QuotesOfErased:
    def __init__(self, store: QuoteStore, outcomes: Outcomes, clock: Clock) -> None:
        self._store = store
        self._outcomes = outcomes
        self._clock = clock

    async def withdraw(self, tx: Transaction, tenant_id: TenantId, vendor_id: ParticipantId) -> None:
        """All that can be answered still, wherever it is. Of whom nothing is known, too: that is none."""
        for quote_id, conversation_id in await self._store.open_of(tx, tenant_id, vendor_id):
            await self._store.lock(tx, conversation_id)
            try:
                await self._withdraw(tx, quote_id)
            except CannotOpen:  # which comes before anything is written
                await self._outcomes.end_unread(tx, quote_id, "withdrawn")

    async def _withdraw(self, tx: Transaction, quote_id: QuoteId) -> None:
        quote = await self._store.get(tx, quote_id)
        assert quote is not None, "quotes are not removed"
        if quote.latest.state not in OPEN:  # somebody was quicker
            return
        is_over = state_at(quote.latest, now=self._clock.now()) == "expired"
        conversation, _ = await self._outcomes.who(tx, quote.conversation_id, None)
        await self._outcomes.end(tx, conversation, quote, "expire" if is_over else "withdraw", by=None)
