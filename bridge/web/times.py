"""Moments that a request names."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema

_RFC3339 = re.compile(
    r"(?P<year>[0-9]{4})-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_ZONE = r"^[A-Za-z][A-Za-z0-9_+-]{0,63}(?:/[A-Za-z][A-Za-z0-9_+-]{0,63}){0,2}$"
_YEARS = range(1970, 9999)  # a time zone moves neither end out of what `datetime` holds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    """Since the Unix epoch."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _timestamp(value: object) -> datetime:
    hint = "Must be an RFC 3339 time with a zone, like 2027-05-01T18:00:00+02:00"
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match["year"]) not in _YEARS:
        raise ValueError(hint)
    try:
        return datetime.fromisoformat(match[0].upper())
    except ValueError:
        raise ValueError(f"{hint}; this day does not exist") from None


Timestamp = Annotated[
    datetime,
    BeforeValidator(_timestamp),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "description": "RFC 3339, with a zone; years 1970 to 9998"}
    ),
]


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # such as a folder of zones
        raise ValueError("Must be the name of a time zone, like Europe/Berlin") from None
    return name


TimeZone = Annotated[
    str,
    StringConstraints(max_length=100, pattern=_ZONE),
    AfterValidator(_time_zone),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 100,
            "pattern": _ZONE,
            "description": "a name of the IANA time zone database, such as Europe/Berlin",
        }
    ),
]
