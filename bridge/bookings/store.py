"""Bookings in the database; what was booked, when and for how much is sealed."""

import json

from bridge.bookings.model import Booking
from bridge.conversations.model import Conversation
from bridge.core.clock import Clock
from bridge.storage.database import Transaction
from bridge.storage.sealing import Sealer

PUT = """
INSERT INTO bookings (tenant_id, booking_id, conversation_id, status, details, updated_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, booking_id) DO UPDATE SET status = excluded.status, details = excluded.details,
    updated_at = excluded.updated_at
"""


class BookingStore:
    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def put(self, tx: Transaction, conversation: Conversation, booking: Booking) -> None:
        details = {
            "service": booking.service,
            "starts_at": booking.starts_at.isoformat(),
            "ends_at": booking.ends_at.isoformat() if booking.ends_at else None,
            "total": {"amount": booking.total.amount, "currency": booking.total.currency}
            if booking.total
            else None,
        }
        sealed = await self._sealer.seal(
            tx,
            conversation.tenant_id,
            f"conversation:{conversation.conversation_id}",
            json.dumps(details).encode(),
            place=f"bookings.details:{conversation.tenant_id}:{booking.booking_id}",
        )
        await tx.execute(
            PUT,
            conversation.tenant_id,
            booking.booking_id,
            conversation.conversation_id,
            booking.status,
            sealed,
            self._clock.now(),
        )
