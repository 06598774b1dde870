"""What a wedding needs to be told: a bridge with a homeserver, people's clients and a platform; and what these show."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

Json = dict[str, Any]
CANARY = "canary"
"""Stands in all that is booked and offered: found in the clear anywhere, something leaks."""
FESTIMO = "festimo"
ANNA = "anna"
PARTY = "wedding"
TITLE = "Anna & Ben"
NAMES = {
    "bites": "Sweet Bites",
    "band": "The Band",
    "flowers": "Flowers",
    "photos": "Photos",
    "venue": "Old Barn",
    "late": "Late Bloom",
}
WITH_CLIENTS = ("bites", "band")
"""For the others ghosts speak."""
VENDOR_OF = {f"{TITLE} x {name}": vendor for vendor, name in NAMES.items()}
"""By what the conversation is called in clients."""


@dataclass(frozen=True)
class Line:
    voice: str
    text: str


@dataclass(frozen=True)
class Shown:
    """A message as a client shows it: its latest words, and who reacted with what."""

    event_id: str
    voice: str
    text: str
    reactions: frozenset[tuple[str, str]] = frozenset()

    @property
    def line(self) -> Line:
        return Line(self.voice, self.text)


@dataclass(frozen=True)
class Event:
    """As it came to a client, in the clear. `voice`: whose it is."""

    event_id: str
    voice: str
    type: str
    content: Json


def as_shown(events: Iterable[Event]) -> list[Shown]:
    """What came, in order: an edit takes the place of what it is of, a reaction stands under it."""
    messages: dict[str, Event] = {}
    texts: dict[str, str] = {}
    reactions: dict[str, set[tuple[str, str]]] = {}
    for event in events:
        relation = event.content.get("m.relates_to", {})
        if event.type == "m.reaction":
            reactions.setdefault(relation["event_id"], set()).add((event.voice, relation["key"]))
        elif relation.get("rel_type") == "m.replace":
            assert messages[relation["event_id"]].voice == event.voice
            texts[relation["event_id"]] = event.content["m.new_content"]["body"]
        else:
            messages[event.event_id] = event
            texts[event.event_id] = event.content.get("body", "")
    return [
        Shown(event_id, event.voice, texts[event_id], frozenset(reactions.get(event_id, ())))
        for event_id, event in messages.items()
    ]


class Stage(Protocol):
    patience: float
    """Seconds for one step, all that goes wrong included."""
    pause: float
    """Seconds between two looks."""
    valid_until: date
    """A day to come, less than two years from now."""

    def account(self, person: str) -> str: ...

    async def tell(self, event: Json) -> None:
        """The platform does, until it is accepted; by whichever way, and perhaps twice."""

    async def api(self, method: str, path: str, body: Json | None, *, key: str) -> Json:
        """The platform asks, until it is answered."""

    async def conversation_of(self, vendor: str) -> str | None: ...

    async def shown(self, reader: str, vendor: str) -> list[Shown] | None:
        """None before they are there."""

    async def pinned(self, vendor: str) -> list[str]: ...

    async def calendars(self, reader: str, vendor: str) -> list[tuple[str, int]]:
        """Method and sequence of each file, opened by the reader."""

    async def speak(self, who: str, vendor: str, text: str, *, reply_to: str | None = None) -> None: ...

    async def react(self, who: str, vendor: str, event_id: str, emoji: str) -> None: ...

    async def heard(self, vendor: str) -> list[Json]:
        """What the platform's webhook took of this conversation: verified, each id once, as it came first."""


async def until(stage: Stage, look: Callable[[], Awaitable[bool]], what: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + stage.patience
    while not await look():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {stage.patience:g} s: {what()}")
        await asyncio.sleep(stage.pause)
