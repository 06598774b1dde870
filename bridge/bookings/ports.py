"""What bookings want to know of others."""

from typing import Protocol

from bridge.bookings.model import Agreed
from bridge.conversations.model import Conversation
from bridge.storage.database import Transaction


class AcceptedQuotes(Protocol):
    async def latest(self, tx: Transaction, conversation: Conversation) -> Agreed | None:
        """The one that was accepted last; none is accepted meanwhile until the transaction ends."""
        ...
