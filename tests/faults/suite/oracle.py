"""What arrived, as sets of ids: read by the people's clients and from the history, never from the bridge's counters."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from tests.faults.suite.ground import Ground, Room
from tests.faults.suite.load import Voice
from tests.faults.suite.subject import NotNow

LOOK_EVERY = 0.2
"""Seconds; whoever looks more often disturbs what they look at."""
HISTORY = "history"
Reader = tuple[int, str]
"""Number of a room, and a participant with a client there, or `HISTORY`."""
Arrival = tuple[Reader, str]


@dataclass(slots=True)
class Reading:
    """How far a reader's timeline has been looked at, and what was read in it."""

    position: int = 0
    texts: list[str] = field(default_factory=list)
    unreadable: dict[str, int] = field(default_factory=dict)
    """Event id -> place in the timeline."""


class Oracle:
    """Looks again and again for as long as `watch` runs."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._readings: defaultdict[Reader, Reading] = defaultdict(Reading)
        self._cursors: dict[int, str] = {}
        self.arrived: dict[Arrival, float] = {}
        """When each was first seen (monotonic seconds)."""
        self.late: set[str] = set()
        """Events that a client could not read, or not trust, when it first saw them."""

    async def watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        for room in self._ground.rooms:
            for reader in room.clients:
                self._look_at_client(room, reader)
        with suppress(NotNow):
            for room in self._ground.rooms:
                await self._look_at_history(room)

    def begin_history_anew(self) -> None:
        """The database is another one: cursors into the former mean nothing in it."""
        for number in self._cursors:
            self._readings.pop((number, HISTORY), None)
        self._cursors.clear()

    def _look_at_client(self, room: Room, reader: str) -> None:
        who = (room.number, reader)
        reading = self._readings[who]
        # Those that were unreadable are looked at again, in their place.
        since = min(reading.unreadable.values(), default=reading.position)
        for number, entry in enumerate(room.clients[reader].timeline(room.room_id, since=since), since):
            was_unreadable = entry.event_id in reading.unreadable
            if number < reading.position and not was_unreadable:
                continue
            reading.position = max(reading.position, number + 1)
            if entry.undecryptable or entry.warning:
                reading.unreadable[entry.event_id] = number
                self.late.add(entry.event_id)
                continue
            reading.unreadable.pop(entry.event_id, None)
            self._read(who, entry.body, late=was_unreadable)

    async def _look_at_history(self, room: Room) -> None:
        who = (room.number, HISTORY)
        while True:
            kept, cursor = await self._ground.subject.history(
                room.conversation, self._cursors.get(room.number)
            )
            for message in kept:
                self._read(who, message.text)
            if cursor is not None:
                self._cursors[room.number] = cursor
            if not kept:
                return

    def _read(self, who: Reader, body: str, *, late: bool = False) -> None:
        text = body.rpartition(" ")[2]  # before it may stand the name of whom the bridge speaks for
        self.arrived.setdefault((who, text), time.monotonic())
        # Which was unreadable at first has its place in the timeline all the same: order is not judged by it.
        self._readings[who].texts.append(f"late {text}" if late else text)

    def unreadable(self) -> set[str]:
        return {event_id for reading in self._readings.values() for event_id in reading.unreadable}

    def texts(self, reader: Reader, prefix: str) -> list[str]:
        return [
            text for text in self._readings[reader].texts if text.removeprefix("late ").startswith(prefix)
        ]

    def has(self, voice: Voice, text: str) -> bool:
        return all((reader, text) in self.arrived for reader in readers_of(voice))

    async def all_there(self, wanted: Collection[Arrival], limit: float) -> None:
        """Return once they have arrived, or after `limit` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while any(arrival not in self.arrived for arrival in wanted):  # noqa: ASYNC110 - by `watch`
                    await asyncio.sleep(LOOK_EVERY)


def readers_of(voice: Voice) -> list[Reader]:
    """Who must read what the voice says: all in the history; what the platform says, every client."""
    readers: Iterable[str] = (HISTORY,) if voice.way == "in" else (HISTORY, *voice.room.clients)
    return [(voice.room.number, reader) for reader in readers]


def wanted_of(voice: Voice) -> list[Arrival]:
    return [(reader, text) for reader in readers_of(voice) for text in voice.sent]


@dataclass(frozen=True, slots=True)
class Verdict:
    sent: int
    delivered: int
    lost: int
    duplicated: int
    out_of_order: int
    undecryptable_now: int
    undecryptable_finally: int
    repaired: int
    examples: tuple[str, ...] = ()
    """A few of what is wrong, to look for."""


def judge(
    oracle: Oracle, voices: Collection[Voice], *, late_before: set[str], forgiven: Collection[Arrival]
) -> Verdict:
    """`late_before`: events of earlier trials; `forgiven`: what nobody can have kept."""
    lost: dict[str, str] = {}
    twice: list[str] = []
    disordered: list[str] = []
    for voice in voices:
        for arrival in wanted_of(voice):
            if arrival not in oracle.arrived and arrival not in forgiven:
                (_, reader), text = arrival
                lost[text] = f"{text} lost at {reader}, event {voice.event_ids[text]}"
        for reader in (HISTORY, *voice.room.clients):
            texts = oracle.texts((voice.room.number, reader), f"{voice.name}-")
            counted = Counter(text.removeprefix("late ") for text in texts)
            twice += [
                f"{text} twice at {reader}" for text, times in counted.items() for _ in range(times - 1)
            ]
            in_place = [text for text in texts if not text.startswith("late ")]
            disordered += [
                f"{later} after {earlier} at {reader}"
                for earlier, later in pairwise(in_place)
                if _number(later) < _number(earlier)
            ]
    sent = {text for voice in voices for text in voice.sent}
    now, final = oracle.late - late_before, oracle.unreadable()
    return Verdict(
        sent=len(sent),
        delivered=len(sent - lost.keys()),
        lost=len(lost),
        duplicated=len(twice),
        out_of_order=len(disordered),
        undecryptable_now=len(now),
        undecryptable_finally=len(final),
        repaired=len(now - final),
        examples=(
            *(f"{text} lost" for text in sorted(lost)[:3]),
            *twice[:3],
            *disordered[:3],
            *sorted(final)[:3],
        ),
    )


def _number(text: str) -> int:
    return int(text.rpartition("-")[2])
