"""Places as Matrix clients write them (spec: "m.location"; MSC3488): pure."""

from typing import Any

from bridge.messages.held import Location

_UNSTABLE = "org.matrix.msc3488"


def place_content(place: Location, *, text: str, prefix: str, at: int) -> dict[str, Any]:
    """`text`: of the place; `prefix`: who tells it, where that is not who sends it; `at`: when, in epoch ms."""
    body = f"{prefix}{text} ({place.uri})"
    content: dict[str, Any] = {
        "msgtype": "m.location",
        "body": body,
        "geo_uri": place.uri,
        f"{_UNSTABLE}.location": {"uri": place.uri},
        f"{_UNSTABLE}.asset": {"type": "m.pin"},  # of the place, not of where the sender is
        f"{_UNSTABLE}.ts": at,
        "org.matrix.msc1767.text": body,
    }
    if place.description is not None:
        content[f"{_UNSTABLE}.location"]["description"] = f"{prefix}{place.description}"
    return content
