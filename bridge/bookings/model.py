"""A booking of a vendor for a party. Money is in minor units of its currency."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bridge.core.ids import BookingId

Status = Literal["confirmed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """`amount`: minor units (cents); `currency`: ISO 4217."""

    amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Times carry their zone."""

    booking_id: BookingId
    status: Status
    service: str
    starts_at: datetime
    ends_at: datetime | None
    total: Total | None
