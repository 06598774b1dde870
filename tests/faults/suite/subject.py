"""The bridge under test, as the suite knows it: any application service that answers to this can take its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the bridge finds everything. Both URLs and that of PostgreSQL lead through a proxy of the suite."""

    folder: Path
    """For its configuration and logs."""
    data: Path
    """For its SQLite file, if it has one."""
    server_name: str
    homeserver_url: str
    listen_port: int
    """On 127.0.0.1."""
    public_url: str
    """Where homeserver and platform reach what listens there."""
    database_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who has no `mxid` speaks through a ghost."""

    id: str
    name: str
    mxid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """`id` is what the bridge calls it. `by_event`: the platform sends signed events, not API calls, if it has both."""

    id: str
    party: str
    host: Person
    vendor: Person
    by_event: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A message that the platform can read in the bridge's history."""

    text: str
    sender_id: str | None
    event_id: str | None
    delivered: bool


class NotNow(Exception):
    """It was not taken, or nobody knows: say the same again under the same key."""


class Subject(Protocol):
    name: str

    @property
    def pid(self) -> int:
        """Of the process that works. Raises where there is none."""
        ...

    @property
    def registration(self) -> Mapping[str, Any]:
        """For the homeserver, before the first start."""
        ...

    async def start(self, *, clock_offset: int = 0) -> None:
        """Return when it is ready. `clock_offset`: ms by which its clock steps then."""
        ...

    async def stop(self) -> None:
        """SIGTERM; return when it has ended."""
        ...

    async def kill(self) -> None:
        """SIGKILL; return when it has ended."""
        ...

    async def close(self) -> None:
        """Leave nothing running."""
        ...

    async def open(self, party: str, host: Person, vendor: Person, *, by_event: bool) -> Conversation:
        """Make the conversation; its room invites whoever has an MXID."""
        ...

    async def say(self, conversation: Conversation, sender: Person, text: str, *, key: str) -> None:
        """As the platform does. Return once it is accepted; raises `NotNow`. The same key is the same message."""
        ...

    async def history(
        self, conversation: Conversation, after: str | None
    ) -> tuple[Sequence[Kept], str | None]:
        """What follows `after` (a cursor, None for the beginning), and the next cursor. Raises `NotNow`."""
        ...
