"""Events of bookings."""

from bridge.bookings.model import Booking, Total
from bridge.bookings.service import Bookings
from bridge.core.ids import BookingId, TenantId
from bridge.platform.effects.openings import Openings
from bridge.platform.events import bookings as told
from bridge.storage.database import Transaction


class BookingEffects:
    def __init__(self, openings: Openings, bookings: Bookings) -> None:
        self._openings = openings
        self._bookings = bookings

    async def apply(self, tx: Transaction, tenant_id: TenantId, event: told.BookingConfirmed) -> None:
        confirmation = event.data
        # News of a booking is no reason to press those who have left.
        conversation = await self._openings.open(
            tx,
            tenant_id,
            confirmation.party,
            confirmation.vendor,
            told_at=event.told_at,
            bring_back=False,
        )
        await self._bookings.confirmed(tx, conversation, _booking(confirmation.booking))


def _booking(booking: told.Booking) -> Booking:
    return Booking(
        booking_id=BookingId(booking.id),
        status="confirmed",
        service=booking.service,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        total=Total(amount=booking.total.amount, currency=booking.total.currency) if booking.total else None,
    )
