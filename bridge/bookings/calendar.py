"""A booking as a file for people's calendars. RFC 5545 and RFC 5546."""

from datetime import UTC, date, datetime

from icalendar import Calendar, Event, vCalAddress

from bridge.bookings.model import CalendarEntry
from bridge.core.ids import BookingId, TenantId

MIMETYPE = "text/calendar"
MOST_YEARS = 5
"""For which a file says when clocks are put back or forward."""
_PRODUCT = "-//Festimo//Festimo Bridge//EN"


def file_name(entry: CalendarEntry, booking_id: BookingId) -> str:
    return f"booking-{booking_id}{'-cancelled' if entry.method == 'CANCEL' else ''}.ics"


def calendar_file(
    entry: CalendarEntry, *, tenant_id: TenantId, booking_id: BookingId, about: str | None, now: int
) -> str:
    """`about`: whose conversation it is, where that is to be said; `now`: in epoch ms.

    Published, not requested: a request asks whoever opens it to answer an organizer by mail. No price is in it, as
    calendars go further than the conversation.
    """
    event = Event()
    event.add("uid", f"{booking_id}@{tenant_id}.festimo")
    event.add("sequence", entry.sequence)
    event.add("dtstamp", datetime.fromtimestamp(now // 1000, UTC))
    event.add("dtstart", _told(entry.starts_at, entry))
    if entry.ends_at is not None:
        event.add("dtend", _told(entry.ends_at, entry))
    event.add("summary", entry.service if about is None else f"{entry.service}: {about}")
    event.add("status", "CANCELLED" if entry.method == "CANCEL" else "CONFIRMED")
    organizer = vCalAddress(f"urn:festimo:{tenant_id}")
    organizer.params["CN"] = "Festimo"
    event["organizer"] = organizer

    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", entry.method)
    calendar.add_component(event)
    first = entry.starts_at.year
    last = min((entry.ends_at or entry.starts_at).year, first + MOST_YEARS)
    # A year more on both sides; the last that there is (9999) is more than the search for changes of an offset bears.
    calendar.add_missing_timezones(
        first_date=date(first - 1, 1, 1), last_date=date(min(last + 1, 9998), 12, 31)
    )
    text: str = calendar.to_ical().decode()
    return text


def _told(when: datetime, entry: CalendarEntry) -> datetime:
    """In its zone where that has a name, else in UTC: an offset alone is no zone that calendars know."""
    return when if entry.time_zone is not None else when.astimezone(UTC)
