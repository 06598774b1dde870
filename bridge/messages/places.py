"""Places on the earth: what may be one, and how one is written. Pure."""

import math
import re

from bridge.core.writing import from_outside
from bridge.messages.held import Location

LONGEST_URI = 200
LONGEST_DESCRIPTION = 200
_NUMBER = r"-?[0-9]{1,3}(?:\.[0-9]{1,20})?"
# RFC 5870, of which the altitude and the parameters say nothing that is needed here.
_GEO = re.compile(rf"geo:({_NUMBER}),({_NUMBER})(?:,-?[0-9.]{{1,20}})?(?:;[!-~]*)?", re.IGNORECASE)


def is_on_earth(latitude: float, longitude: float) -> bool:
    return (
        math.isfinite(latitude) and abs(latitude) <= 90 and math.isfinite(longitude) and abs(longitude) <= 180
    )


def place_at(latitude: float, longitude: float, *, description: str | None) -> Location:
    """One of ours; degrees are told to a centimetre."""
    uri = f"geo:{_degrees(latitude)},{_degrees(longitude)}"
    return Location(latitude=latitude, longitude=longitude, uri=uri, description=description)


def place_from_outside(uri: object, *, description: object) -> Location | None:
    """None where it is no place."""
    match = _GEO.fullmatch(uri) if isinstance(uri, str) and len(uri) <= LONGEST_URI else None
    if match is None:
        return None
    latitude, longitude = float(match[1]), float(match[2])
    if not is_on_earth(latitude, longitude):
        return None
    words = from_outside(description[:LONGEST_DESCRIPTION]).strip() if isinstance(description, str) else ""
    return Location(latitude=latitude, longitude=longitude, uri=match[0], description=words or None)


def text_of(place: Location) -> str:
    """For whoever shows no maps."""
    return place.description or f"{_degrees(place.latitude)}, {_degrees(place.longitude)}"


def _degrees(value: float) -> str:
    text = f"{value:.7f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
