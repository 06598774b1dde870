"""What is known of bookings as it is sealed, and back: pure."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bridge.bookings.model import Agreed, CalendarEntry, Money, Terms


def sealed_terms(terms: Terms) -> dict[str, Any]:
    return {
        "service": terms.service,
        "starts_at": terms.starts_at.isoformat(),
        "ends_at": None if terms.ends_at is None else terms.ends_at.isoformat(),
        "time_zone": terms.time_zone,
        "total": sealed_money(terms.total),
    }


def terms_in(details: dict[str, Any]) -> Terms:
    time_zone = details.get("time_zone")
    return Terms(
        service=details["service"],
        starts_at=_time(details["starts_at"], time_zone),
        ends_at=None if details["ends_at"] is None else _time(details["ends_at"], time_zone),
        total=money_in(details["total"]),
        time_zone=time_zone,
    )


def sealed_money(money: Money | None) -> dict[str, Any] | None:
    return None if money is None else {"amount": money.amount, "currency": money.currency}


def money_in(details: dict[str, Any] | None) -> Money | None:
    return None if details is None else Money(amount=details["amount"], currency=details["currency"])


def sealed_agreed(agreed: Agreed | None) -> dict[str, Any] | None:
    if agreed is None:
        return None
    return {
        "number": agreed.number,
        "revision": agreed.revision,
        "total": sealed_money(agreed.total),
    }


def agreed_in(details: dict[str, Any] | None) -> Agreed | None:
    if details is None:
        return None
    total = money_in(details["total"])
    assert total is not None, "a quote has a total"
    return Agreed(number=details["number"], revision=details["revision"], total=total)


def sealed_entry(entry: CalendarEntry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "method": entry.method,
        "sequence": entry.sequence,
        "service": entry.service,
        "starts_at": entry.starts_at.isoformat(),
        "ends_at": None if entry.ends_at is None else entry.ends_at.isoformat(),
        "time_zone": entry.time_zone,
    }


def entry_in(details: dict[str, Any] | None) -> CalendarEntry | None:
    if details is None:
        return None
    time_zone = details["time_zone"]
    return CalendarEntry(
        method=details["method"],
        sequence=details["sequence"],
        service=details["service"],
        starts_at=_time(details["starts_at"], time_zone),
        ends_at=None if details["ends_at"] is None else _time(details["ends_at"], time_zone),
        time_zone=time_zone,
    )


def as_bytes(details: dict[str, Any]) -> bytes:
    return json.dumps(details).encode()


def _time(text: str, time_zone: str | None) -> datetime:
    when = datetime.fromisoformat(text)
    return when if time_zone is None else when.astimezone(ZoneInfo(time_zone))
