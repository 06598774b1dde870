"""What is paid for bookings: it counts once, before or after all else, and shows on the card."""

import pytest

from bridge.bookings.errors import CurrencyDiffers, PaymentDiffers
from bridge.bookings.model import Kind, Payment, Status
from bridge.bookings.wording import card
from bridge.core.errors import Refusal
from bridge.core.ids import BookingId
from tests.bridge.bookings.desk import Desk
from tests.bridge.bookings.examples import booking, euros, news, payment, terms


async def test_a_payment_counts_once_and_may_come_before_its_booking(desk: Desk) -> None:
    await desk.pay(payment(400))
    assert await desk.said() == []
    await desk.follow(news("confirmed", 1, terms(total=euros(1000))))
    assert (await desk.texts())[0].splitlines()[-1] == "Paid: EUR 4.00 of EUR 10.00"
    before = await desk.features.everything()
    await desk.pay(payment(400))
    assert await desk.features.everything() == before
    await desk.pay(payment(600, "p2"))
    card_text, *_, told = await desk.texts()
    assert card_text.splitlines()[-1] == "Paid: EUR 10.00, in full"
    assert told == "Payment received: Catering\nPaid: EUR 4.00 of EUR 10.00 → EUR 10.00, in full"


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (payment(401), PaymentDiffers),
        (payment(400, of=BookingId("b2")), PaymentDiffers),
        (payment(400, "p2", currency="USD"), CurrencyDiffers),
    ],
)
async def test_a_payment_that_does_not_agree_changes_nothing(
    desk: Desk, refused: Payment, error: type[Refusal]
) -> None:
    await desk.follow(news("confirmed", 1))
    await desk.pay(payment(400))
    before = await desk.features.everything()
    with pytest.raises(error):
        await desk.pay(refused)
    assert await desk.features.everything() == before


@pytest.mark.parametrize(
    ("past", "status"),
    [
        (["requested"], "requested"),
        (["confirmed"], "confirmed"),
        (["requested", "changed"], "requested"),
        (["confirmed", "changed"], "confirmed"),
        (["confirmed", "cancelled"], "cancelled"),
        (["confirmed", "completed"], "completed"),
    ],
    ids=lambda value: " then ".join(value) if isinstance(value, list) else "",
)
async def test_a_payment_shows_whatever_the_booking_is(desk: Desk, past: list[Kind], status: Status) -> None:
    agreed = terms(total=euros(1000))
    await desk.follow(*(news(kind, at, agreed) for at, kind in enumerate(past, start=1)))
    said = await desk.texts()
    await desk.pay(payment(400))
    found = await desk.found()
    assert found.booking == booking(status, of=agreed, paid=euros(400))
    first, *others = await desk.texts()
    assert first == card(found.booking)
    lines = first.splitlines()
    assert (lines[0], lines[-1]) == (f"Booking {status}: Catering", "Paid: EUR 4.00 of EUR 10.00")
    assert others == [*said[1:], "Payment received: Catering\nPaid: – → EUR 4.00 of EUR 10.00"]
    before = await desk.features.everything()
    await desk.pay(payment(400))
    assert await desk.features.everything() == before


async def test_what_was_paid_stays_on_the_card_of_what_is_cancelled_then(desk: Desk) -> None:
    await desk.follow(news("confirmed", 1, terms(total=euros(1000))))
    await desk.pay(payment(1000))
    await desk.follow(news("cancelled", 2))
    lines = (await desk.texts())[0].splitlines()
    assert (lines[0], lines[-1]) == ("Booking cancelled: Catering", "Paid: EUR 10.00, in full")
