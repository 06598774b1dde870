"""How a booking reads: its card, and what is said of a change."""

from datetime import datetime

import pytest

from bridge.bookings.model import Booking, Money
from bridge.bookings.wording import card, formatted, notice
from tests.bridge.bookings.examples import TERMS, booking, euros, terms

END = datetime.fromisoformat("2027-06-12T23:30:00+02:00")


def test_money_reads_with_all_its_digits() -> None:
    shown = card(booking(of=terms(total=Money(amount=1_250, currency="RSD"))))
    assert shown.splitlines()[-1] == "Total: RSD 12.50"


@pytest.mark.parametrize(
    ("time", "reads"),
    [
        # In the zone it was given in, whatever ours is.
        ("2027-06-12T18:00:00+02:00", "Saturday 12 June 2027, 18:00 GMT+02:00"),
        ("2027-06-12T18:00:00-05:00", "Saturday 12 June 2027, 18:00 GMT-05:00"),
        ("2027-06-12T18:00:00Z", "Saturday 12 June 2027, 18:00 GMT+00:00"),
        # Zones that are not whole hours.
        ("2027-01-01T00:05:00+05:45", "Friday 1 January 2027, 00:05 GMT+05:45"),
        # The last minute of a leap day.
        ("2028-02-29T23:59:59.9-03:30", "Tuesday 29 February 2028, 23:59 GMT-03:30"),
    ],
)
def test_times_read_in_their_own_zone(time: str, reads: str) -> None:
    shown = card(booking(of=terms(starts_at=datetime.fromisoformat(time))))
    assert shown.splitlines()[1] == f"Starts: {reads}"


@pytest.mark.parametrize(
    ("shown", "lines"),
    [
        (
            booking("requested"),
            ["Booking requested: Catering", "Starts: Saturday 12 June 2027, 18:00 GMT+02:00"],
        ),
        (
            booking(of=terms(ends_at=END), paid=euros(50_000)),
            [
                "Booking confirmed: Catering",
                "Starts: Saturday 12 June 2027, 18:00 GMT+02:00",
                "Ends: Saturday 12 June 2027, 23:30 GMT+02:00",
                "Total: EUR 1,250.00",
                "Paid: EUR 500.00 of EUR 1,250.00",
            ],
        ),
        (
            booking("completed", of=terms(), paid=euros(125_000)),
            [
                "Booking completed: Catering",
                "Starts: Saturday 12 June 2027, 18:00 GMT+02:00",
                "Total: EUR 1,250.00",
                "Paid: EUR 1,250.00, in full",
            ],
        ),
        (
            booking("cancelled", paid=euros(5)),
            [
                "Booking cancelled: Catering",
                "Starts: Saturday 12 June 2027, 18:00 GMT+02:00",
                "Paid: EUR 0.05 so far",
            ],
        ),
    ],
)
def test_a_card_holds_what_is_known_and_nothing_else(shown: Booking, lines: list[str]) -> None:
    assert card(shown).splitlines() == lines


def test_the_html_is_the_same_text_and_nothing_of_it_is_markup() -> None:
    shown = card(booking(of=terms(service="Cake <b>& more")))
    assert formatted(shown) == (
        "<strong>Booking confirmed: Cake &lt;b&gt;&amp; more</strong><br>"
        "Starts: Saturday 12 June 2027, 18:00 GMT+02:00<br>Total: EUR 1,250.00"
    )


NOON = datetime.fromisoformat("2027-06-13T12:00:00+02:00")


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (booking("requested"), booking("confirmed"), ["Booking confirmed: Catering"]),
        (
            booking(of=terms()),
            booking(of=terms(starts_at=NOON, total=euros(130_000))),
            [
                "Booking changed: Catering",
                "Starts: Saturday 12 June 2027, 18:00 GMT+02:00 → Sunday 13 June 2027, 12:00 GMT+02:00",
                "Total: EUR 1,250.00 → EUR 1,300.00",
            ],
        ),
        (
            booking(of=terms(ends_at=END)),
            booking("cancelled", of=TERMS),
            [
                "Booking cancelled: Catering",
                "Ends: Saturday 12 June 2027, 23:30 GMT+02:00 → –",
                "Total: EUR 1,250.00 → –",
            ],
        ),
        (
            booking(of=terms()),
            booking(of=terms(service="Catering for 80")),
            ["Booking changed: Catering for 80", "Service: Catering → Catering for 80"],
        ),
        (
            booking(of=terms()),
            booking(of=terms(), paid=euros(125_000)),
            ["Payment received: Catering", "Paid: – → EUR 1,250.00, in full"],
        ),
        # What nobody would see is not told.
        (booking(), booking(of=terms(total=None, time_zone="Europe/Berlin")), None),
    ],
)
def test_a_notice_tells_what_was_and_what_is(
    before: Booking, after: Booking, lines: list[str] | None
) -> None:
    told = notice(before, after)
    assert (None if told is None else told.splitlines()) == lines
