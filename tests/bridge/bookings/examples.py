"""A booking and what is told of it."""

from datetime import datetime, timedelta
from typing import Any

from icalendar import Calendar

from bridge.bookings.model import Agreed, Booking, Kind, Money, News, Payment, Status, Terms
from bridge.core.ids import BookingId, PaymentId

HOUR = 3_600_000
B1 = BookingId("b1")
TERMS = Terms(service="Catering", starts_at=datetime.fromisoformat("2027-06-12T18:00:00+02:00"))


def euros(amount: int) -> Money:
    """In cents."""
    return Money(amount=amount, currency="EUR")


def terms(**changed: Any) -> Terms:
    known: dict[str, Any] = {"service": TERMS.service, "starts_at": TERMS.starts_at, "total": euros(125_000)}
    return Terms(**known | changed)


def booking(
    status: Status = "confirmed",
    *,
    of: Terms = TERMS,
    paid: Money | None = None,
    agreed: Agreed | None = None,
    booking_id: BookingId = B1,
) -> Booking:
    return Booking(booking_id=booking_id, status=status, terms=of, paid=paid, agreed=agreed)


def news(kind: Kind, at: int, of: Terms | None = None, *, news_id: str | None = None) -> News:
    """`at`: in hours. Unless told otherwise, each has terms of its own."""
    own = terms(starts_at=TERMS.starts_at + timedelta(days=at), total=euros(100_000 + at))
    return News(news_id=news_id or f"{kind} at {at}", kind=kind, happened_at=at * HOUR, terms=of or own)


def payment(amount: int, payment_id: str = "p1", *, currency: str = "EUR", of: BookingId = B1) -> Payment:
    money = Money(amount=amount, currency=currency)
    return Payment(payment_id=PaymentId(payment_id), booking_id=of, money=money)


def read_calendar(data: str | bytes) -> Any:
    """By the library that others read it with, whose types leave everything open."""
    return Calendar.from_ical(data)
