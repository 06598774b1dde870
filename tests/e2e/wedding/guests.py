"""Who comes to a wedding with a client of their own, and what that client shows."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from appservice.embedded.client import Client
from tests.clients.js import JsClient
from tests.e2e.scene import without_a_shield
from tests.wedding.stage import VENDOR_OF, Json


@dataclass(frozen=True, slots=True)
class Came:
    """An event of a room as the client has it; without content as long as it cannot be read.

    `doubtful`: not encrypted, not readable, or by a device that its sender has not signed or nobody knows as theirs.
    """

    event_id: str
    sender: str
    type: str
    content: Json
    doubtful: bool


class Guest(ABC):
    """Joins whatever they are invited to."""

    puts_edits_in_place = False
    """The client shows the latest words itself."""

    def __init__(self, user_id: str, access_token: str) -> None:
        self.user_id = user_id
        self.access_token = access_token
        self._rooms: dict[str, str] = {}
        self._joining = asyncio.Lock()

    async def room_of(self, vendor: str) -> str | None:
        """Of the conversation with this vendor, once the guest is in it."""
        async with self._joining:
            if vendor not in self._rooms:
                named = await self._joined()
                self._rooms = {VENDOR_OF[name]: room_id for name, room_id in named if name in VENDOR_OF}
        return self._rooms.get(vendor)

    @abstractmethod
    async def _joined(self) -> list[tuple[str, str]]:
        """Accept all invites; return name and id of each room."""

    @abstractmethod
    async def came(self, room_id: str) -> list[Came]:
        """Messages, reactions and edits of them, in order."""

    @abstractmethod
    async def send(self, room_id: str, kind: str, content: Json) -> None: ...


class NioGuest(Guest):
    def __init__(self, client: Client) -> None:
        super().__init__(client.user_id, client.access_token)
        self._client = client

    async def _joined(self) -> list[tuple[str, str]]:
        for room_id in self._client.invites():
            await self._client.join(room_id)
        return [(self._client.room_name(room_id), room_id) for room_id in self._client.rooms()]

    async def came(self, room_id: str) -> list[Came]:
        return [
            Came(
                one.event_id,
                one.sender,
                one.type,
                {} if one.undecryptable else dict(one.content),
                doubtful=not one.encrypted or one.undecryptable or one.warning is not None,
            )
            for one in self._client.timeline(room_id)
        ]

    async def send(self, room_id: str, kind: str, content: Json) -> None:
        await self._client.send(room_id, kind, content)


class JsGuest(Guest):
    puts_edits_in_place = True

    def __init__(self, client: JsClient) -> None:
        super().__init__(client.user_id, client.access_token)
        self._client = client

    async def _joined(self) -> list[tuple[str, str]]:
        known: list[dict[str, Any]] = await self._client.call("rooms")
        for room in known:
            if room["membership"] == "invite":
                await self._client.join(room["room_id"])
        return [(room["name"], room["room_id"]) for room in known if room["membership"] == "join"]

    async def came(self, room_id: str) -> list[Came]:
        return [
            Came(
                one.event_id,
                one.sender,
                one.type,
                {} if one.failure else one.content,
                doubtful=one.failure is not None or not one.encrypted or not without_a_shield(one),
            )
            for one in await self._client.timeline(room_id)
        ]

    async def send(self, room_id: str, kind: str, content: Json) -> None:
        await self._client.send(room_id, kind, content)
