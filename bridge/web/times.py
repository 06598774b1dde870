"""Moments that a request names."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_RFC3339 = re.compile(
    r"(?P<year>[0-9]{4})-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
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
