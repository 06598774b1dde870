"""A party of its own, with a bridge at work and real clients in its room."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from appservice.embedded.client import Client
from bridge.conversations.model import Conversation
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.demo.stand import TENANT, Stand
from bridge.messages.model import Message
from bridge.wiring import Bridge
from tests.clients.js import JsClient, JsEntry
from tests.clients.people import People, Person
from tests.e2e.test_first_path import eventually, party, person

NO_SHIELD = 0
PARTIES = itertools.count(1)


class Scene:
    """Vendor "chef" is called Sweet Bites."""

    def __init__(self, ground: Stand, people: People) -> None:
        self.ground = ground
        self.people = people
        self.party_id = f"party-{next(PARTIES)}"
        self.hosts: list[dict[str, Any]] = []
        self.chef = {"id": f"chef-{self.party_id}", "name": "Sweet Bites"}
        self.room = ""
        self._bridge: Bridge | None = None

    @property
    def bridge(self) -> Bridge:
        assert self._bridge is not None
        return self._bridge

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.ground.bridge() as bridge:
            self._bridge = bridge
            yield
            assert not bridge.work.done()

    @property
    def ghost(self) -> str:
        return self.bridge.names.ghost(TenantId(TENANT), ParticipantId(self.chef["id"]))

    async def open(
        self, *readers: JsClient | Client, hosts: Mapping[str, Person | None], vendor: Person | None = None
    ) -> None:
        """Select the vendor, and have the readers join the room. Whoever has no account has a ghost."""
        self.hosts = [person(f"{name}-{self.party_id}", name, account) for name, account in hosts.items()]
        self.chef = person(self.chef["id"], self.chef["name"], vendor)
        data = {"party": party(*self.hosts, party_id=self.party_id), "vendor": self.chef}
        await self.ground.platform.send("vendor.selected", data)
        self.room = await eventually(self._room)
        for reader in readers:
            await self.join(reader)

    async def join(self, reader: JsClient | Client) -> None:
        if isinstance(reader, JsClient):
            await reader.wait_for_invite(self.room)
        else:
            await reader.sync_until(lambda: self.room in reader.invites())
        await reader.join(self.room)

    async def say(self, text: str, *, sender: str = "chef") -> None:
        """Through the API."""
        data = {
            "party_id": self.party_id,
            "vendor_id": self.chef["id"],
            "sender_id": f"{sender}-{self.party_id}",
            "text": text,
        }
        await self.ground.platform.send("message.send", data)

    async def book(self) -> str:
        """Return the notice's text."""
        booking = {
            "id": f"b-{self.party_id}",
            "service": "Catering",
            "starts_at": "2027-06-12T14:00:00+02:00",
        }
        data = {"party": party(*self.hosts, party_id=self.party_id), "vendor": self.chef, "booking": booking}
        await self.ground.platform.send("booking.confirmed", data)
        return (await self.stored(lambda message: message.kind == "system")).text

    async def stored(self, wanted: Callable[[Message], bool]) -> Message:
        async def look() -> Message | None:
            return next((message for message in await self.history() if wanted(message)), None)

        return await eventually(look)

    async def history(self) -> list[Message]:
        conversation = await self._conversation()
        assert conversation is not None
        told = await self.bridge.messages.history(self.bridge.database, conversation.conversation_id)
        return [message for message in told if message.sender_type != "festimo"]

    async def sent(self, text: str) -> str:
        """The event id, once the API's message of this text is in the room."""
        message = await self.stored(lambda message: message.text == text and message.status == "sent")
        assert message.origin_id is not None
        return message.origin_id

    async def knows_devices(self, user_id: str, *device_ids: str) -> None:
        """And that their owner has signed them."""

        async def look() -> bool | None:
            devices = await self.bridge.device_lists.devices(self.bridge.database, user_id)
            return {device.device_id for device in devices if device.signed} >= set(device_ids) or None

        await eventually(look)

    async def call(self, method: str, path: str, token: str, **options: Any) -> tuple[int, Any]:
        """A plain request to the homeserver."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.ground.synapse.url}/_matrix/client/{path}"
        async with self.ground.session.request(method, url, headers=headers, **options) as response:
            if response.content_type == "application/json":
                return response.status, await response.json()
            return response.status, await response.read()

    async def _conversation(self) -> Conversation | None:
        return await self.bridge.conversations.of_pair(
            self.bridge.database, TenantId(TENANT), PartyId(self.party_id), VendorId(self.chef["id"])
        )

    async def _room(self) -> str | None:
        conversation = await self._conversation()
        if conversation is None:
            return None
        room_id: str | None = await self.bridge.database.fetch_value(
            "SELECT room_id FROM rooms WHERE conversation_id = $1", conversation.conversation_id
        )
        return room_id


def without_a_shield(entry: JsEntry) -> bool:
    assert entry.shield is not None
    return entry.encrypted and entry.shield.colour == NO_SHIELD
