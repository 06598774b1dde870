"""A booking of a vendor for a party, what is told of it and what is paid for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bridge.core.ids import BookingId, ConversationId, MessageId, PartyId, PaymentId, VendorId

Status = Literal["requested", "confirmed", "cancelled", "completed"]
BOOKED: frozenset[Status] = frozenset({"confirmed", "completed"})
Kind = Literal["requested", "confirmed", "changed", "cancelled", "completed"]
"""Of news."""
PaymentStatus = Literal["unpaid", "partly_paid", "paid"]
Method = Literal["PUBLISH", "CANCEL"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """`amount`: minor units (cents); `currency`: ISO 4217."""

    amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is booked. Times carry their zone; `time_zone` is its name (IANA), where that is known."""

    service: str
    starts_at: datetime
    ends_at: datetime | None = None
    total: Money | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What the platform has told of a booking. `news_id` names it for ever; `happened_at`: in epoch ms.

    `accepted`: its place among all that was accepted, where nobody says when it happened; `happened_at` is when it was
    accepted, then.
    """

    news_id: str
    kind: Kind
    happened_at: int
    terms: Terms
    accepted: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    payment_id: PaymentId
    booking_id: BookingId
    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A quote that a host has accepted. `number`: in its conversation."""

    number: int
    revision: int
    total: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """As it is, after all that was told. `paid`: so far; None: nothing. `agreed`: last in its conversation."""

    booking_id: BookingId
    status: Status
    terms: Terms
    paid: Money | None = None
    agreed: Agreed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEntry:
    """What people's calendars were told last. `sequence` grows with each time."""

    method: Method
    sequence: int
    service: str
    starts_at: datetime
    ends_at: datetime | None
    time_zone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A booking in its conversation. `card_id`: the message that shows it. Times in epoch ms."""

    booking: Booking
    conversation_id: ConversationId
    party_id: PartyId | None
    vendor_id: VendorId | None
    card_id: MessageId | None
    entry: CalendarEntry | None
    created_at: int
    updated_at: int
