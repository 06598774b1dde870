"""How a booking reads, and what is kept of it."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from bridge.bookings.model import Booking, Total
from bridge.bookings.rules import confirmation_notice
from bridge.core.ids import BookingId
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT, Features

BOOKING = Booking(
    booking_id=BookingId("b1"),
    status="confirmed",
    service="Catering",
    starts_at=datetime.fromisoformat("2027-06-12T18:00:00+02:00"),
    ends_at=None,
    total=None,
)


@pytest.mark.parametrize(
    ("amount", "currency", "reads"),
    [
        # Two decimals, the usual.
        (125_000, "EUR", "€1,250.00"),
        (5, "USD", "$0.05"),
        (0, "EUR", "€0.00"),
        # None: a yen has no minor unit.
        (1_250, "JPY", "¥1,250"),
        (7, "KRW", "₩7"),
        # Three.
        (12_345, "KWD", "KWD12.345"),
        (1, "BHD", "BHD0.001"),
        # The largest amount an event may hold, to the last cent.
        (2**53 - 1, "EUR", "€90,071,992,547,409.91"),
        # A code that nobody knows is shown as it is.
        (100, "XYZ", "XYZ1.00"),
    ],
)
def test_money_reads_in_its_own_currency(amount: int, currency: str, reads: str) -> None:
    notice = confirmation_notice(replace(BOOKING, total=Total(amount=amount, currency=currency)))
    assert notice.splitlines()[-1] == f"Total: {reads}"


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
    notice = confirmation_notice(replace(BOOKING, starts_at=datetime.fromisoformat(time)))
    assert notice.splitlines()[1] == f"Starts: {reads}"


def test_a_notice_holds_what_is_known_and_nothing_else() -> None:
    full = replace(
        BOOKING,
        ends_at=datetime.fromisoformat("2027-06-12T23:30:00+02:00"),
        total=Total(amount=125_000, currency="EUR"),
    )
    assert confirmation_notice(BOOKING).splitlines() == [
        "Booking confirmed: Catering",
        "Starts: Saturday 12 June 2027, 18:00 GMT+02:00",
    ]
    assert confirmation_notice(full).splitlines()[2:] == [
        "Ends: Saturday 12 June 2027, 23:30 GMT+02:00",
        "Total: €1,250.00",
    ]


async def test_a_booking_is_kept_sealed_and_told_in_its_conversation(database: Database) -> None:
    features = Features(database)
    conversation = await features.open()
    async with database.transaction() as tx:
        await features.bookings.confirmed(tx, conversation, BOOKING)
    (message,) = await features.history(conversation)
    row = await database.fetch_one("SELECT * FROM bookings")
    assert row is not None
    assert (message.kind, message.text) == ("system", confirmation_notice(BOOKING))
    assert (row["conversation_id"], row["status"]) == (conversation.conversation_id, "confirmed")
    assert b"Catering" not in row["details"]
    here = conversation.conversation_id
    assert await features.change_store.bookings_of(database, [here]) == {here: ["b1"]}
    opened = await features.sealer.open(database, row["details"], place=f"bookings.details:{TENANT}:b1")
    assert json.loads(opened) == {
        "service": "Catering",
        "starts_at": "2027-06-12T18:00:00+02:00",
        "ends_at": None,
        "total": None,
    }


async def test_a_booking_confirmed_again_is_one_booking_with_the_newest_details(database: Database) -> None:
    features = Features(database)
    conversation = await features.open()
    for service in ("Catering", "Catering for 80"):
        async with database.transaction() as tx:
            await features.bookings.confirmed(tx, conversation, replace(BOOKING, service=service))
    (row,) = await database.fetch("SELECT details FROM bookings")
    opened = await features.sealer.open(database, row["details"], place=f"bookings.details:{TENANT}:b1")
    assert json.loads(opened)["service"] == "Catering for 80"
    assert len(await features.history(conversation)) == 2
