"""How a booking reads to people."""

from datetime import datetime
from decimal import Decimal

from babel.dates import format_datetime
from babel.numbers import format_currency, get_currency_precision

from bridge.bookings.model import Booking, Total

LOCALE = "en"


def confirmation_notice(booking: Booking) -> str:
    lines = [f"Booking confirmed: {booking.service}", f"Starts: {time(booking.starts_at)}"]
    if booking.ends_at is not None:
        lines.append(f"Ends: {time(booking.ends_at)}")
    if booking.total is not None:
        lines.append(f"Total: {money(booking.total)}")
    return "\n".join(lines)


def time(when: datetime) -> str:
    day = format_datetime(when, "EEEE d MMMM y, HH:mm", tzinfo=when.tzinfo, locale=LOCALE)
    # Not Babel's `ZZZZ`: it writes -03:30 as -04:30.
    zone = when.strftime("%z")
    return f"{day} GMT{zone[:3]}:{zone[3:]}"


def money(total: Total) -> str:
    amount = Decimal(total.amount).scaleb(-get_currency_precision(total.currency))
    return str(format_currency(amount, total.currency, locale=LOCALE))
