"""How a booking reads to people: its card, and what is said when it changes. Pure."""

import html
from collections.abc import Mapping
from datetime import datetime

from babel.dates import format_datetime

from bridge.bookings.model import Agreed, Booking, Money
from bridge.bookings.rules import payment_status
from bridge.core.money import shown

LOCALE = "en"
NOTHING = "–"
"""Stands for what is not known, or not any more."""


def card(booking: Booking) -> str:
    """All that is known, a line each."""
    known = {label: text for label, text in _facts(booking).items() if text is not None}
    lines = [_title(booking), *(f"{label}: {text}" for label, text in known.items())]
    # No fact that a notice tells: Festimo has said so when it was accepted.
    if booking.agreed is not None:
        lines.append(_agreed(booking.agreed))
    return "\n".join(lines)


def formatted(text: str) -> str:
    """The same as HTML: its first line is what it is about."""
    first, *others = (html.escape(line) for line in text.splitlines())
    return "<br>".join([f"<strong>{first}</strong>", *others])


def notice(before: Booking, after: Booking) -> str | None:
    """What has changed, from what to what; None where nobody would see a difference."""
    old, new = _facts(before), _facts(after)
    changed = [label for label in new if old[label] != new[label]]
    if before.status != after.status:
        lines = [_title(after)]
    elif changed == ["Paid"]:
        lines = [f"Payment received: {after.terms.service}"]
    else:
        lines = [f"Booking changed: {after.terms.service}"]
    if before.terms.service != after.terms.service:
        lines.append(f"Service: {before.terms.service} → {after.terms.service}")
    elif not changed and before.status == after.status:
        return None
    lines += [f"{label}: {old[label] or NOTHING} → {new[label] or NOTHING}" for label in changed]
    return "\n".join(lines)


def _title(booking: Booking) -> str:
    return f"Booking {booking.status}: {booking.terms.service}"


def _facts(booking: Booking) -> Mapping[str, str | None]:
    terms = booking.terms
    return {
        "Starts": time(terms.starts_at),
        "Ends": None if terms.ends_at is None else time(terms.ends_at),
        "Total": None if terms.total is None else money(terms.total),
        "Paid": _paid(booking),
    }


def _agreed(quote: Agreed) -> str:
    return f"Quote {quote.number}, revision {quote.revision}, accepted: {money(quote.total)}"


def _paid(booking: Booking) -> str | None:
    paid, total = booking.paid, booking.terms.total
    if paid is None:
        return None
    if total is None:
        return f"{money(paid)} so far"
    if payment_status(booking) == "paid":
        return f"{money(paid)}, in full"
    return f"{money(paid)} of {money(total)}"


def time(when: datetime) -> str:
    day = format_datetime(when, "EEEE d MMMM y, HH:mm", tzinfo=when.tzinfo, locale=LOCALE)
    # Not Babel's `ZZZZ`: it writes -03:30 as -04:30.
    zone = when.strftime("%z")
    return f"{day} GMT{zone[:3]}:{zone[3:]}"


def money(money: Money) -> str:
    return shown(money.amount, money.currency)
