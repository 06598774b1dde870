"""Each state of a booking and each event, in time and late; payments; what calendars are told."""

from datetime import timedelta

import pytest

from bridge.bookings.errors import CurrencyDiffers, PaymentDiffers
from bridge.bookings.model import CalendarEntry, Kind, PaymentStatus, Status
from bridge.bookings.rules import (
    AFTER,
    booking_of,
    calendar_entry,
    check_payment,
    happened_at,
    payment_status,
)
from tests.bridge.bookings.examples import B1, TERMS, booking, euros, news, payment, terms

PAST: dict[Status | None, list[Kind]] = {
    None: [],
    "requested": ["requested"],
    "confirmed": ["confirmed"],
    "cancelled": ["confirmed", "cancelled"],
    "completed": ["confirmed", "completed"],
}
"""How a booking came to be so."""

# What it is; what is told of it; what it is then, if that happened last; and if it happened before all the rest.
TABLE: list[tuple[Status | None, Kind, Status, Status]] = [
    (None, "requested", "requested", "requested"),
    (None, "confirmed", "confirmed", "confirmed"),
    (None, "changed", "requested", "requested"),  # nobody has said that it is confirmed
    (None, "cancelled", "cancelled", "cancelled"),
    (None, "completed", "completed", "completed"),
    ("requested", "requested", "requested", "requested"),  # told twice
    ("requested", "confirmed", "confirmed", "confirmed"),  # late: the request after it asks for nothing new
    ("requested", "changed", "requested", "requested"),
    ("requested", "cancelled", "cancelled", "requested"),  # late: it was requested once more
    ("requested", "completed", "completed", "completed"),
    ("confirmed", "requested", "confirmed", "confirmed"),  # a request takes no confirmation back
    ("confirmed", "confirmed", "confirmed", "confirmed"),
    ("confirmed", "changed", "confirmed", "confirmed"),
    ("confirmed", "cancelled", "cancelled", "confirmed"),
    ("confirmed", "completed", "completed", "completed"),
    ("cancelled", "requested", "requested", "cancelled"),  # booked once more
    ("cancelled", "confirmed", "confirmed", "cancelled"),
    ("cancelled", "changed", "cancelled", "cancelled"),
    ("cancelled", "cancelled", "cancelled", "cancelled"),
    ("cancelled", "completed", "cancelled", "completed"),  # late: what has taken place is not cancelled
    ("completed", "requested", "completed", "completed"),
    ("completed", "confirmed", "completed", "completed"),
    ("completed", "changed", "completed", "completed"),
    ("completed", "cancelled", "completed", "completed"),
    ("completed", "completed", "completed", "completed"),
]


def test_the_table_has_each_state_and_each_event() -> None:
    assert {row[:2] for row in TABLE} == set(AFTER)


@pytest.mark.parametrize(("state", "kind", "in_time", "late"), TABLE)
def test_what_a_booking_is_after_each_event(
    state: Status | None, kind: Kind, in_time: Status, late: Status
) -> None:
    past = [news(one, at) for at, one in enumerate(PAST[state], start=2)]
    last, first = news(kind, 9), news(kind, 1)
    for told, expected in (([*past, last], in_time), ([last, *past], in_time), ([*past, first], late)):
        found = booking_of(B1, told, [])
        assert found is not None
        assert found.status == expected
        assert booking_of(B1, [*told, *told], []) == found  # told twice, each of them


@pytest.mark.parametrize(
    ("kinds", "whose"),
    [
        (["requested", "confirmed"], 1),
        (["confirmed", "changed", "changed"], 2),
        (["confirmed", "cancelled"], 0),  # an end says nothing but that
        (["confirmed", "completed"], 0),
        (["cancelled"], 0),  # nothing else is known
        (["confirmed", "requested"], 0),  # what has no effect changes nothing
        (["confirmed", "cancelled", "changed"], 0),
        (["confirmed", "cancelled", "requested"], 2),
    ],
)
def test_what_is_booked_is_what_was_told_last(kinds: list[Kind], whose: int) -> None:
    told = [news(kind, at) for at, kind in enumerate(kinds)]
    found = booking_of(B1, told, [])
    assert found is not None
    assert found.terms == told[whose].terms


def test_of_what_happened_at_one_moment_the_request_was_first_and_the_end_last() -> None:
    kinds: list[Kind] = ["cancelled", "changed", "confirmed", "requested"]
    found = booking_of(B1, [news(kind, 1, terms(service=kind)) for kind in kinds], [])
    assert found is not None
    assert (found.status, found.terms.service) == ("cancelled", "changed")
    twice = [news("changed", 1, terms(service=one), news_id=one) for one in ("first", "second")]
    found = booking_of(B1, twice, [])
    assert found is not None
    assert found.terms.service == "second"  # what came last


def test_nothing_is_known_without_news() -> None:
    assert booking_of(B1, [], [payment(1)]) is None


@pytest.mark.parametrize(
    ("claimed", "counts"),
    [
        (None, 1_000_000),
        (0, 0),  # however late it comes
        (1_300_000, 1_300_000),  # a clock that is ahead of ours by five minutes
        (1_300_001, 1_300_000),
        (2**60, 1_300_000),
    ],
)
def test_nothing_has_happened_long_after_now(claimed: int | None, counts: int) -> None:
    assert happened_at(claimed, received=1_000_000) == counts


@pytest.mark.parametrize(
    ("total", "payments", "paid", "status"),
    [
        (euros(1000), [], None, "unpaid"),
        (euros(1000), [payment(0)], None, "unpaid"),
        (euros(1000), [payment(999)], euros(999), "partly_paid"),
        (euros(1000), [payment(999), payment(1, "p2")], euros(1000), "paid"),
        (euros(1000), [payment(1001)], euros(1001), "paid"),
        (euros(0), [], None, "paid"),  # there is nothing to pay
        (None, [], None, "unpaid"),
        (None, [payment(5)], euros(5), "partly_paid"),  # of how much, nobody said
        # What came before the booking, in another currency, is not added up.
        (euros(1000), [payment(7, currency="USD"), payment(5, "p2")], euros(5), "partly_paid"),
        (euros(1000), [payment(7, currency="USD")], None, "unpaid"),
        (None, [payment(5), payment(7, "p2", currency="USD")], euros(5), "partly_paid"),
    ],
)
def test_what_is_paid(total: object, payments: list[object], paid: object, status: PaymentStatus) -> None:
    found = booking_of(B1, [news("confirmed", 1, terms(total=total))], payments)  # type: ignore[arg-type] # a table
    assert found is not None
    assert (found.paid, payment_status(found)) == (paid, status)


def test_a_payment_is_what_it_was_the_first_time() -> None:
    known = payment(500)
    check_payment(payment(500), known=known, booking=booking(of=terms()))
    # Even where the booking is in another currency by now: it came before.
    check_payment(payment(5, currency="USD"), known=payment(5, currency="USD"), booking=booking(of=terms()))
    for other in (payment(501), payment(500, currency="USD"), payment(500, of=B1 + "x")):  # type: ignore[arg-type] # an id
        with pytest.raises(PaymentDiffers):
            check_payment(other, known=known, booking=booking(of=terms()))


def test_a_payment_is_in_the_currency_of_the_booking() -> None:
    dollars = payment(5, currency="USD")
    with pytest.raises(CurrencyDiffers):
        check_payment(dollars, known=None, booking=booking(of=terms()))
    check_payment(dollars, known=None, booking=booking(of=terms(total=None)))
    check_payment(dollars, known=None, booking=None)
    check_payment(payment(5), known=None, booking=booking(of=terms()))


LATER = terms(starts_at=TERMS.starts_at + timedelta(hours=1))


def entry(method: str, sequence: int, of: object = TERMS) -> CalendarEntry:
    return CalendarEntry(
        method=method,  # type: ignore[arg-type] # of a table
        sequence=sequence,
        service=of.service,  # type: ignore[attr-defined]
        starts_at=of.starts_at,  # type: ignore[attr-defined]
        ends_at=None,
        time_zone=None,
    )


# What calendars were told, what the booking is now, what they are told.
CALENDAR = [
    (None, booking("requested"), None),
    (None, booking("confirmed"), entry("PUBLISH", 0)),
    (None, booking("cancelled"), None),  # they know nothing of it
    (None, booking("completed"), None),
    (entry("PUBLISH", 3), booking("confirmed"), None),
    (entry("PUBLISH", 3), booking("confirmed", of=LATER), entry("PUBLISH", 4, LATER)),
    (entry("PUBLISH", 3), booking("confirmed", of=terms(total=euros(1))), None),  # no price is in it
    (entry("PUBLISH", 3), booking("confirmed", paid=euros(1)), None),
    (entry("PUBLISH", 3), booking("cancelled"), entry("CANCEL", 4)),
    (entry("PUBLISH", 3), booking("cancelled", of=LATER), entry("CANCEL", 4)),  # of what they know
    (
        entry("PUBLISH", 3),
        booking("requested"),
        entry("CANCEL", 4),
    ),  # it was cancelled, and requested once more
    (entry("PUBLISH", 3), booking("completed"), None),
    (entry("CANCEL", 4), booking("requested"), None),
    (entry("CANCEL", 4), booking("confirmed"), entry("PUBLISH", 5)),
    (entry("CANCEL", 4), booking("cancelled"), None),
    (entry("CANCEL", 4), booking("completed"), None),
]


@pytest.mark.parametrize(("last", "now", "told"), CALENDAR)
def test_what_calendars_are_told(last: object, now: object, told: object) -> None:
    assert calendar_entry(last, now) == told  # type: ignore[arg-type] # a table
