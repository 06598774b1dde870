"""What happened to bookings."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import BookingId


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingUpdated(Event):
    """There is a new one, or it is not what it was: read it for what it is now."""

    booking_id: BookingId
