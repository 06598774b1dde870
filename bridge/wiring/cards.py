"""What bookings' cards show of quotes: neither feature knows the other."""

from bridge.bookings.model import Agreed, Money
from bridge.conversations.model import Conversation
from bridge.quotes.store import QuoteStore
from bridge.storage.database import Transaction


class QuotesOnCards:
    """The bookings' port."""

    def __init__(self, store: QuoteStore) -> None:
        self._store = store

    async def latest(self, tx: Transaction, conversation: Conversation) -> Agreed | None:
        await self._store.lock(tx, conversation.conversation_id)
        quote = await self._store.accepted(tx, conversation.conversation_id)
        if quote is None:
            return None
        offer = quote.latest.offer
        return Agreed(
            number=quote.number,
            revision=quote.latest.revision,
            total=Money(amount=offer.total, currency=offer.currency),
        )
