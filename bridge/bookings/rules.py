"""What a booking is after all that was told of it, whatever came first; what calendars are told: pure."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import accumulate

from bridge.bookings.errors import BookingElsewhere, CurrencyDiffers, PaymentDiffers
from bridge.bookings.model import (
    Agreed,
    Booking,
    CalendarEntry,
    Kind,
    Money,
    News,
    Payment,
    PaymentStatus,
    Status,
    Terms,
)
from bridge.conversations.model import Conversation
from bridge.core.ids import BookingId

BELIEVED_AHEAD = timedelta(minutes=5)
"""How much later than now something may claim to have happened: with a clock that is further ahead, all that comes
after it would count as having been before it."""

AFTER: Mapping[tuple[Status | None, Kind], Status | None] = {
    (None, "requested"): "requested",
    (None, "confirmed"): "confirmed",
    (None, "changed"): "requested",  # nothing says that anybody has confirmed it
    (None, "cancelled"): "cancelled",
    (None, "completed"): "completed",
    ("requested", "requested"): "requested",
    ("requested", "confirmed"): "confirmed",
    ("requested", "changed"): "requested",
    ("requested", "cancelled"): "cancelled",
    ("requested", "completed"): "completed",
    ("confirmed", "requested"): None,  # only a cancellation takes a confirmation back
    ("confirmed", "confirmed"): "confirmed",
    ("confirmed", "changed"): "confirmed",
    ("confirmed", "cancelled"): "cancelled",
    ("confirmed", "completed"): "completed",
    ("cancelled", "requested"): "requested",  # booked once more
    ("cancelled", "confirmed"): "confirmed",
    ("cancelled", "changed"): None,
    ("cancelled", "cancelled"): "cancelled",
    ("cancelled", "completed"): None,
    ("completed", "requested"): None,
    ("completed", "confirmed"): None,
    ("completed", "changed"): None,
    ("completed", "cancelled"): None,
    ("completed", "completed"): "completed",
}
"""What a booking is after news of it, in the order in which things happened; None before: nothing is known of it. None
after: that cannot be, and changes nothing."""
_AT_ONCE: Sequence[Kind] = ("requested", "confirmed", "changed", "completed", "cancelled")
"""In which order things happened that the platform says happened at the same moment."""
_END: Sequence[Kind] = ("cancelled", "completed")
"""Of a booking that is known, these say nothing but that."""


def happened_at(claimed: int | None, *, received: int) -> int:
    """When what was told has happened. All in epoch ms."""
    if claimed is None:
        return received
    return min(claimed, received + BELIEVED_AHEAD // timedelta(milliseconds=1))


def in_order(news: Sequence[News]) -> list[News]:
    """As it happened. `news`: in the order in which it came, which decides where nothing else does.

    What has no time of its own never counts as before what was accepted earlier, even where the clock was put back; at
    its moment it is after what is said to have happened right then.
    """
    untimed = sorted((one.accepted, one.happened_at) for one in news if one.accepted is not None)
    moments = accumulate((at for _, at in untimed), max)
    moment = {place: at for (place, _), at in zip(untimed, moments, strict=True)}

    def key(one: News) -> tuple[int, int, int]:
        if one.accepted is None:
            return (one.happened_at, 0, _AT_ONCE.index(one.kind))
        return (moment[one.accepted], 1, one.accepted)

    return sorted(news, key=key)


def booking_of(booking_id: BookingId, news: Sequence[News], payments: Sequence[Payment]) -> Booking | None:
    """As it is now. `news`, `payments`: all there are, in the order in which they came. None: there is no news."""
    status: Status | None = None
    terms: Terms | None = None
    for one in in_order(news):
        after = AFTER[status, one.kind]
        if after is None:
            continue
        if terms is None or one.kind not in _END:
            terms = one.terms
        status = after
    if status is None or terms is None:
        return None
    return Booking(booking_id=booking_id, status=status, terms=terms, paid=_paid(terms, payments))


def _paid(terms: Terms, payments: Sequence[Payment]) -> Money | None:
    """In the currency of the total, or else of the first payment: there is no adding up of different ones."""
    moneys = [payment.money for payment in payments]
    if not moneys:
        return None
    currency = (terms.total or moneys[0]).currency
    amount = sum(money.amount for money in moneys if money.currency == currency)
    return Money(amount=amount, currency=currency) if amount else None


def agreed_on(before: Booking | None, status: Status, latest: Agreed | None) -> Agreed | None:
    """The accepted quote that its card shows. `latest`: of its conversation.

    What is accepted when a booking is over is about something else.
    """
    if before is not None and before.status in _END and status in _END:
        return before.agreed
    return latest


def payment_status(booking: Booking) -> PaymentStatus:
    paid = 0 if booking.paid is None else booking.paid.amount
    total = booking.terms.total
    if total is not None and paid >= total.amount:
        return "paid"
    return "partly_paid" if paid else "unpaid"


def check_stays(booking_id: BookingId, former: Conversation, told_in: Conversation) -> None:
    """`former`: where its card stands. Where that was deleted, what the same two have now goes on with it."""
    if former.conversation_id == told_in.conversation_id:
        return
    if former.vendor_id == told_in.vendor_id and {*former.party_ids} & {*told_in.party_ids}:
        return
    raise BookingElsewhere(
        f"Booking {booking_id} is one of party {' or '.join(former.party_ids)} with vendor {former.vendor_id}. Nothing"
        " was changed. Send what is new of it with these two, under another event id; a booking of others has an id of"
        " its own.",
        field="data.booking.id",
    )


def check_payment(payment: Payment, *, known: Payment | None, booking: Booking | None) -> None:
    """`known`: what came under the same id before."""
    if known is not None and known != payment:
        raise PaymentDiffers(
            "A payment with this id came before, with another amount or for another booking. Nothing was changed."
            " Send another payment under another id.",
            field="data.payment.id",
        )
    total = None if booking is None else booking.terms.total
    if known is None and total is not None and total.currency != payment.money.currency:
        raise CurrencyDiffers(
            f"The booking is to be paid in {total.currency}, and this payment is in {payment.money.currency}."
            " Nothing was changed. Send it in the booking's currency, or change the booking and replay this event.",
            field="data.payment.currency",
        )


def calendar_entry(last: CalendarEntry | None, booking: Booking) -> CalendarEntry | None:
    """What calendars are to be told now; None: nothing. `last`: what they were told before."""
    terms = booking.terms
    if booking.status == "confirmed":
        new = CalendarEntry(
            method="PUBLISH",
            sequence=0 if last is None else last.sequence,
            service=terms.service,
            starts_at=terms.starts_at,
            ends_at=terms.ends_at,
            time_zone=terms.time_zone,
        )
    elif booking.status != "completed" and last is not None:
        new = dataclasses.replace(last, method="CANCEL")
    else:
        return None
    if last is None:
        return new
    return None if new == last else dataclasses.replace(new, sequence=last.sequence + 1)
