"""What a message holds beside its text: a file, a place, a poll; as it is sealed with the text, and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

PollKind = Literal["disclosed", "undisclosed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file that somebody sent in their client, and that lies there, encrypted.

    `source`: what the outside fetches and opens it with, in its own words; no view shows it. `duration`: in ms.
    """

    attachment_id: str
    name: str
    source: Mapping[str, Any] = field(repr=False)
    mimetype: str | None = None
    size: int | None = None
    width: int | None = None
    height: int | None = None
    duration: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """`uri`: as RFC 5870 writes it, with all that whoever sent it knew."""

    latitude: float
    longitude: float
    uri: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAnswer:
    """`origin_id`: the outside's id of it, which may be anything, such as the answer itself."""

    answer_id: str
    text: str
    origin_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    question: str
    answers: tuple[PollAnswer, ...]
    kind: PollKind
    max_selections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A small file of our own making: what is in it is kept with the message."""

    attachment_id: str
    name: str
    mimetype: str
    text: str = field(repr=False)


Held: TypeAlias = Media | Document | Location | Poll


def sealed_as(held: Held) -> dict[str, object]:
    """What stands for it in a message's content."""
    match held:
        case Media():
            return {"media": asdict(held)}
        case Document():
            return {"document": asdict(held)}
        case Location():
            return {"location": asdict(held)}
        case Poll():
            return {"poll": asdict(held)}


def held_in(content: Mapping[str, Any]) -> Held | None:
    if "media" in content:
        return Media(**content["media"])
    if "document" in content:
        return Document(**content["document"])
    if "location" in content:
        return Location(**content["location"])
    if "poll" in content:
        poll = content["poll"]
        return Poll(**{**poll, "answers": tuple(PollAnswer(**answer) for answer in poll["answers"])})
    return None
