"""The calendar file, read by the library that others read it with."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bridge.bookings.calendar import calendar_file, file_name
from bridge.bookings.model import CalendarEntry, Method
from bridge.core.ids import BookingId, TenantId
from tests.bridge.bookings.examples import B1, read_calendar

NOW = 1_800_000_000_123
BERLIN = ZoneInfo("Europe/Berlin")


def entry(
    *,
    method: Method = "PUBLISH",
    sequence: int = 0,
    starts_at: str = "2027-06-12T18:00:00+02:00",
    ends_at: str | None = None,
    time_zone: str | None = None,
    service: str = "Catering",
) -> CalendarEntry:
    def there(time: str) -> datetime:
        when = datetime.fromisoformat(time)
        return when if time_zone is None else when.astimezone(ZoneInfo(time_zone))

    return CalendarEntry(
        method=method,
        sequence=sequence,
        service=service,
        starts_at=there(starts_at),
        ends_at=None if ends_at is None else there(ends_at),
        time_zone=time_zone,
    )


def made(told: CalendarEntry) -> str:
    return calendar_file(
        told, tenant_id=TenantId("festipin"), booking_id=B1, about="Anna & Ben x Sweet Bites", now=NOW
    )


def test_it_says_what_when_and_for_whom_in_the_zone_of_the_place() -> None:
    text = made(entry(time_zone="Europe/Berlin", ends_at="2027-06-12T21:30:00Z"))
    calendar = read_calendar(text)
    (event,) = calendar.walk("VEVENT")
    assert (calendar["method"], calendar["version"]) == ("PUBLISH", "2.0")
    assert (event["uid"], event["sequence"], event["status"]) == ("b1@festipin.festimo", 0, "CONFIRMED")
    assert event["summary"] == "Catering: Anna & Ben x Sweet Bites"
    assert event["dtstart"].dt == datetime(2027, 6, 12, 18, tzinfo=BERLIN)
    assert event["dtend"].dt == datetime(2027, 6, 12, 23, 30, tzinfo=BERLIN)
    assert event["dtstamp"].dt == datetime.fromtimestamp(NOW // 1000, UTC)
    assert "DTSTART;TZID=Europe/Berlin:20270612T180000" in text
    (zone,) = calendar.walk("VTIMEZONE")
    (summer,) = zone.walk("DAYLIGHT")
    assert (zone["tzid"], summer["tzoffsetto"].td.total_seconds()) == ("Europe/Berlin", 7200)


def test_without_the_name_of_a_zone_it_is_in_utc_which_all_calendars_know() -> None:
    calendar = read_calendar(made(entry()))
    (event,) = calendar.walk("VEVENT")
    assert event["dtstart"].dt == datetime(2027, 6, 12, 16, tzinfo=UTC)
    assert "dtend" not in event
    assert calendar.walk("VTIMEZONE") == []


def test_a_cancellation_names_the_same_event_with_a_higher_sequence() -> None:
    first, last = (read_calendar(made(one)) for one in (entry(), entry(method="CANCEL", sequence=4)))
    (before,), (after,) = first.walk("VEVENT"), last.walk("VEVENT")
    assert (last["method"], after["status"], after["sequence"]) == ("CANCEL", "CANCELLED", 4)
    assert (after["uid"], after["organizer"]) == (before["uid"], before["organizer"])
    assert file_name(entry(), BookingId("b-7")) == "booking-b-7.ics"
    assert file_name(entry(method="CANCEL"), BookingId("b-7")) == "booking-b-7-cancelled.ics"


@pytest.mark.parametrize("service", ["a, b; c\\d", "x\nATTENDEE:mailto:me@evil.test", "🎂" * 200, '"'])
def test_no_text_gets_out_of_its_line(service: str) -> None:
    text = made(entry(service=service))
    (event,) = read_calendar(text).walk("VEVENT")
    assert event["summary"] == f"{service}: Anna & Ben x Sweet Bites"
    assert "attendee" not in event
    assert max(len(line.encode()) for line in text.split("\r\n")) <= 75


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Africa/Casablanca", "UTC", "Etc/GMT+5"])
@pytest.mark.parametrize("year", [1970, 2027, 9998])
def test_any_zone_and_any_year_an_event_may_hold_make_a_file(zone: str, year: int) -> None:
    told = entry(time_zone=zone, starts_at=f"{year}-06-12T18:00:00+02:00", ends_at="9998-12-31T23:59:59Z")
    text = made(told)
    (event,) = read_calendar(text).walk("VEVENT")
    assert event["dtstart"].dt == told.starts_at
    assert len(text) < 3_000
