"""Bookings in the database; what was booked, when and for how much is sealed."""

import json
from datetime import datetime

from bridge.bookings.model import Booking, Total
from bridge.conversations.change_store import LINK_BOOKING
from bridge.conversations.model import Conversation
from bridge.core.clock import Clock
from bridge.core.ids import BookingId
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer

PUT = """
INSERT INTO bookings (tenant_id, booking_id, conversation_id, status, details, updated_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, booking_id) DO UPDATE SET conversation_id = excluded.conversation_id,
    status = excluded.status, details = excluded.details, updated_at = excluded.updated_at
"""
SELECT_OF_CONVERSATION = """
SELECT booking_id, status, details FROM bookings WHERE conversation_id = $1 ORDER BY booking_id
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
            place=_place(conversation, booking.booking_id),
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
        await tx.execute(
            LINK_BOOKING, conversation.tenant_id, conversation.conversation_id, booking.booking_id
        )

    async def of_conversation(self, reader: Reader, conversation: Conversation) -> list[Booking]:
        rows = await reader.fetch(SELECT_OF_CONVERSATION, conversation.conversation_id)
        return [await self._booking(reader, conversation, row) for row in rows]

    async def _booking(self, reader: Reader, conversation: Conversation, row: Row) -> Booking:
        place = _place(conversation, row["booking_id"])
        details = json.loads(await self._sealer.open(reader, row["details"], place=place))
        ends_at, total = details["ends_at"], details["total"]
        return Booking(
            booking_id=BookingId(row["booking_id"]),
            status=row["status"],
            service=details["service"],
            starts_at=datetime.fromisoformat(details["starts_at"]),
            ends_at=datetime.fromisoformat(ends_at) if ends_at else None,
            total=Total(**total) if total else None,
        )


def _place(conversation: Conversation, booking_id: str) -> str:
    return f"bookings.details:{conversation.tenant_id}:{booking_id}"
