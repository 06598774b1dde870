"""Events of bookings and what is paid for them."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from bridge.bookings.model import Kind, Money, News, Payment, Terms
from bridge.bookings.rules import happened_at
from bridge.bookings.service import Bookings
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.ids import BookingId, PartyId, PaymentId, VendorId
from bridge.delivery.queue import Item
from bridge.platform.effects.openings import Openings
from bridge.platform.errors import NoEffect
from bridge.platform.events import bookings as told
from bridge.storage.database import Transaction

KINDS: Mapping[str, Kind] = {
    "booking.requested": "requested",
    "booking.confirmed": "confirmed",
    "booking.changed": "changed",
    "booking.cancelled": "cancelled",
    "booking.completed": "completed",
}
"""By type of event."""


class BookingEffects:
    def __init__(self, openings: Openings, bookings: Bookings, conversations: ConversationStore) -> None:
        self._openings = openings
        self._bookings = bookings
        self._conversations = conversations

    async def apply(
        self, tx: Transaction, item: Item, event: told.BookingEvent | told.PaymentReceived
    ) -> None:
        """`item`: which holds the event."""
        if isinstance(event, told.PaymentReceived):
            return await self._bookings.pay(tx, item.tenant_id, _payment(event.data))
        conversation = await self._conversation(tx, item, event)
        booking, party = event.data.booking, event.data.party
        return await self._bookings.follow(
            tx, conversation, BookingId(booking.id), _news(item, event), party_id=PartyId(party.id)
        )

    async def _conversation(self, tx: Transaction, item: Item, event: told.BookingEvent) -> Conversation:
        """Of the two, opened if it is missing.

        Where one side asked to be erased, nothing is opened; the other still hears of what they have booked already.
        """
        party, vendor, booking = event.data.party, event.data.vendor, event.data.booking
        tenant_id, told_at = item.tenant_id, event.said_at(received=item.created_at)
        try:
            # News of a booking is no reason to press those who have left.
            return await self._openings.open(tx, tenant_id, party, vendor, told_at=told_at, bring_back=False)
        except NoEffect:
            there = await self._conversations.of_pair(tx, tenant_id, PartyId(party.id), VendorId(vendor.id))
            if there is None or not await self._bookings.is_known(tx, tenant_id, BookingId(booking.id)):
                raise
            return there


def _news(item: Item, event: told.BookingEvent) -> News:
    accepted = item.seq if item.first_seq is None else item.first_seq
    return News(
        news_id=item.id,
        kind=KINDS[event.type],
        happened_at=happened_at(event.told_at, received=item.created_at),
        terms=_terms(event.data.booking),
        accepted=accepted if event.told_at is None else None,
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
