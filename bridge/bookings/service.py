"""Follow a booking: keep it, and tell the conversation."""

from bridge.bookings import rules
from bridge.bookings.model import Booking
from bridge.bookings.store import BookingStore
from bridge.conversations.model import Conversation
from bridge.messages.service import Messages
from bridge.storage.database import Transaction


class Bookings:
    def __init__(self, store: BookingStore, messages: Messages) -> None:
        self._store = store
        self._messages = messages

    async def confirmed(self, tx: Transaction, conversation: Conversation, booking: Booking) -> None:
        await self._store.put(tx, conversation, booking)
        await self._messages.announce(tx, conversation, text=rules.confirmation_notice(booking))
