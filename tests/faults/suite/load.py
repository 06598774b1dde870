"""Voices that speak from both sides, each its messages one after the other, each until it is taken."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Literal

import aiohttp
from nio.exceptions import ProtocolError

from appservice.embedded.client import Client, ClientError
from tests.faults.suite.ground import Ground, Room
from tests.faults.suite.subject import NotNow, Person

PAUSE = 0.4
"""Seconds between two messages of a voice, in the middle."""
WINDOW = 20
"""Messages that may be under way at once."""
RETRY_AFTER = 0.1
Way = Literal["out", "in"]


@dataclass(slots=True)
class Voice:
    """`way`: "out", the platform speaks for somebody; "in", somebody speaks with a client. Texts are NAME-NUMBER."""

    name: str
    room: Room
    way: Way
    sender_id: str
    say: Callable[[str], Awaitable[str | None]]
    """Returns the event id, if it knows it."""
    sent: list[str] = field(default_factory=list)
    event_ids: dict[str, str | None] = field(default_factory=dict)
    refused: int = 0
    """Attempts that were not taken, or nobody knows."""
    known_to_have_arrived: int = 0

    async def next(self) -> None:
        text = f"{self.name}-{len(self.sent)}"
        while True:
            try:
                self.event_ids[text] = await self.say(text)
                break
            except (NotNow, ClientError, ProtocolError, aiohttp.ClientError, TimeoutError):
                self.refused += 1
                await asyncio.sleep(RETRY_AFTER)
        self.sent.append(text)


class Load:
    """`quota`: messages of all voices together; more, while the block of `on_and_on` lasts.

    Nobody says more while `WINDOW` messages are under way: how long a recovery takes is to tell of the bridge, not of
    how long the machine needs for what piled up.
    """

    def __init__(
        self,
        ground: Ground,
        prefix: str,
        *,
        quota: int,
        random: Random,
        arrived: Callable[[Voice, str], bool],
    ) -> None:
        self._arrived = arrived
        self.voices = list(_voices(ground, prefix))
        self._each = -(-quota // len(self.voices))
        self._random = random
        self._endless = 0
        self._ended = False
        self._wanted: dict[str, int] = {}

    @property
    def count(self) -> int:
        return sum(len(voice.sent) for voice in self.voices)

    def texts(self) -> set[str]:
        return {text for voice in self.voices for text in voice.sent}

    async def speak(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for voice in self.voices:
                tasks.create_task(self._speak(voice), name=voice.name)

    def end(self) -> None:
        """Once everybody has come to the quota."""
        self._ended = True

    @contextmanager
    def on_and_on(self) -> Iterator[None]:
        self._endless += 1
        try:
            yield
        finally:
            self._endless -= 1

    async def more(self, count: int) -> None:
        """Return once so many more have been taken, or there is nothing more to say."""
        goal = self.count + count
        while self.count < goal and not self._all_at_quota():  # noqa: ASYNC110 - many change it
            await asyncio.sleep(0.05)

    async def settled(self) -> None:
        """Return once everybody has come to the quota, and all of it has arrived."""
        while not self._all_at_quota() or self.under_way():  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.05)

    async def heard(self) -> None:
        """Return once all that has been said by now has arrived."""
        said = [(voice, len(voice.sent)) for voice in self.voices]
        while any(self._known(voice) < count for voice, count in said):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.05)

    def raise_quota(self, count: int) -> None:
        self._each += -(-count // len(self.voices))

    async def one_more_each(self) -> None:
        """Return once everybody has said one more, whatever the quota."""
        self._wanted = {voice.name: len(voice.sent) + 1 for voice in self.voices}
        while any(len(voice.sent) < self._wanted[voice.name] for voice in self.voices):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.02)

    def under_way(self) -> int:
        return sum(len(voice.sent) - self._known(voice) for voice in self.voices)

    def _known(self, voice: Voice) -> int:
        while voice.known_to_have_arrived < len(voice.sent) and self._arrived(
            voice, voice.sent[voice.known_to_have_arrived]
        ):
            voice.known_to_have_arrived += 1
        return voice.known_to_have_arrived

    def _all_at_quota(self) -> bool:
        return not self._endless and all(len(voice.sent) >= self._each for voice in self.voices)

    async def _speak(self, voice: Voice) -> None:
        while True:
            wanted = self._wanted.get(voice.name, 0)
            more = len(voice.sent) < self._each or self._endless
            if len(voice.sent) < wanted or (more and (self._ended or self.under_way() < WINDOW)):
                await voice.next()
                await asyncio.sleep(self._random.uniform(0.5, 1.5) * PAUSE)
            elif self._ended:
                return
            else:
                await asyncio.sleep(0.02)


def _voices(ground: Ground, prefix: str) -> Iterator[Voice]:
    for room in ground.rooms:
        for person in (room.conversation.host, room.conversation.vendor):
            yield _by_platform(ground, prefix, room, person)
        for sender_id, client in room.clients.items():
            yield _by_client(prefix, room, sender_id, client)


def _by_platform(ground: Ground, prefix: str, room: Room, person: Person) -> Voice:
    async def say(text: str) -> None:
        await ground.subject.say(room.conversation, person, text, key=text)

    return Voice(f"{prefix}-{room.number}-out-{person.id}", room, "out", person.id, say)


def _by_client(prefix: str, room: Room, sender_id: str, client: Client) -> Voice:
    async def say(text: str) -> str:
        return await client.send_text(room.room_id, text, txn_id=text)

    return Voice(f"{prefix}-{room.number}-in-{sender_id}", room, "in", sender_id, say)
