"""Events of bookings and what is paid for them."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from bridge.bookings.model import Kind, Money, News, Payment, Terms
from bridge.bookings.rules import happened_at
from bridge.bookings.service import Bookings
from bridge.core.ids import BookingId, PartyId, PaymentId
from bridge.delivery.queue import Item
from bridge.platform.effects.openings import Openings
from bridge.platform.events import bookings as told
from bridge.storage.database import Transaction
from bridge.web.times import milliseconds

KINDS: Mapping[str, Kind] = {
    "booking.requested": "requested",
    "booking.confirmed": "confirmed",
    "booking.changed": "changed",
    "booking.cancelled": "cancelled",
    "booking.completed": "completed",
}
"""By type of event."""


class BookingEffects:
    def __init__(self, openings: Openings, bookings: Bookings) -> None:
        self._openings = openings
        self._bookings = bookings

    async def apply(
        self, tx: Transaction, item: Item, event: told.BookingEvent | told.PaymentReceived
    ) -> None:
        """`item`: which holds the event."""
        if isinstance(event, told.PaymentReceived):
            return await self._bookings.pay(tx, item.tenant_id, _payment(event.data))
        booking, party = event.data.booking, event.data.party
        # News of a booking is no reason to press those who have left.
        conversation = await self._openings.open(
            tx,
            item.tenant_id,
            party,
            event.data.vendor,
            told_at=event.said_at(received=item.created_at),
            bring_back=False,
        )
        news = News(
            news_id=item.id,
            kind=KINDS[event.type],
            happened_at=happened_at(
                None if event.time is None else milliseconds(event.time), received=item.created_at
            ),
            terms=_terms(booking),
        )
        return await self._bookings.follow(
            tx, conversation, BookingId(booking.id), news, party_id=PartyId(party.id)
        )


def _terms(booking: told.Booking) -> Terms:
    def there(when: datetime) -> datetime:
        return when if booking.time_zone is None else when.astimezone(ZoneInfo(booking.time_zone))

    total = booking.total
    return Terms(
        service=booking.service,
        starts_at=there(booking.starts_at),
        ends_at=None if booking.ends_at is None else there(booking.ends_at),
        total=None if total is None else Money(amount=total.amount, currency=total.currency),
        time_zone=booking.time_zone,
    )


def _payment(paid: told.PaymentTold) -> Payment:
    payment = paid.payment
    return Payment(
        payment_id=PaymentId(payment.id),
        booking_id=BookingId(paid.booking_id),
        money=Money(amount=payment.amount, currency=payment.currency),
    )
