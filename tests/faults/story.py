"""A scripted story between a platform, a host, a vendor and a ghost, and the check of how it ended.

The oracle is what independent clients decrypted, what the homeserver has, and what the history has; never the bridge's
own counters.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from vodozemac import MegolmMessage

from appservice.embedded.client import Client
from appservice.embedded.timeline import Entry
from bridge.conversations.store import ConversationStore
from bridge.core.clock import SystemClock
from bridge.core.ids import PartyId, TenantId, VendorId, new_id
from bridge.demo.stand import TENANT, Stand, stand
from bridge.festimo.answers import greeting
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.storage.database import Database, open_database
from bridge.storage.sealing import Sealer
from tests.clients.people import People
from tests.faults.admin import Admin

MEGOLM = "m.megolm.v1.aes-sha2"
UNDELIVERED = """
SELECT t.id FROM to_device t JOIN inbound_sessions i ON i.session_id = t.session_id
JOIN rooms r ON r.room_id = i.room_id JOIN conversations c ON c.conversation_id = r.conversation_id
WHERE c.party_id = $1
"""
PATIENCE = 120.0
"""Seconds for one step of a story, restarts included."""
LATE = 10.0
T = TypeVar("T")


async def sees(client: Client, holds: Callable[[], bool]) -> None:
    """Return once it holds for what the client knows."""
    await client.sync_until(holds, PATIENCE)


async def joined(client: Client, room: str) -> None:
    await sees(client, lambda: room in client.invites())
    await client.join(room)


async def knows(client: Client, room: str, members: set[str]) -> None:
    """nio gives its keys to the members it knows of."""
    await sees(client, lambda: members <= set(client.members(room)))


async def has_seen(client: Client, room: str, event_ids: set[str]) -> None:
    await sees(client, lambda: {entry.event_id for entry in client.timeline(room)} >= event_ids)


async def eventually(look: Callable[[], Awaitable[T | None]], what: str) -> T:
    found: T | None = None
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await look()
                if found is not None:
                    return found
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE:g} s: {what}") from None


@dataclass(slots=True)
class Ground:
    """What lives across stories: one homeserver, one bridge database, three people with encrypted clients."""

    stand: Stand
    host: Client
    vendor: Client
    reader: Client
    admin: Admin
    database: Database
    conversations: ConversationStore
    messages: MessageStore
    stories: int = 0
    late: int = 0
    """Events that a client could not read, or not trust, until a moment after they came."""
    indexes: Counter[tuple[str, int]] = field(default_factory=Counter)
    """(session id, message index) of every encrypted event seen on the server."""

    @property
    def bot(self) -> str:
        return f"@{self.stand.config.appservice.bot_localpart}:{self.stand.config.homeserver.server_name}"

    async def history(self, party: str, vendor: str) -> list[Message]:
        conversation = await self.conversations.of_pair(
            self.database, TenantId(TENANT), PartyId(party), VendorId(vendor)
        )
        assert conversation is not None
        return await self.messages.history(self.database, conversation.conversation_id, limit=1000)

    async def left_over(self, state: str) -> list[tuple[str, str, str | None]]:
        """Rows of inbox and outbox in this state."""
        rows = [
            row
            for table in ("inbox", "outbox")
            for row in await self.database.fetch(
                f"SELECT topic, id, failure FROM {table} WHERE state = $1", state
            )
        ]
        return [(row["topic"], row["id"], row["failure"]) for row in rows]

    def count_indexes(self, events: list[dict[str, Any]]) -> None:
        """Note which session and index each encrypted event used: none of them twice."""
        for event in events:
            content = event["content"]
            index = MegolmMessage.from_base64(content["ciphertext"]).message_index()
            self.indexes[content["session_id"], index] += 1
        assert [used for used, times in self.indexes.items() if times > 1] == []

    async def send(self, event_type: str, data: dict[str, Any]) -> None:
        """As a platform does: the same event, under the same id, until it is accepted."""
        body = self.stand.platform.event(event_type, data, event_id=new_id())

        async def accepted() -> bool | None:
            try:
                status, answer = await self.stand.platform.post(body)
            except aiohttp.ClientError:
                return None
            assert status in (202, 503), answer
            return True if status == 202 else None

        await eventually(accepted, f"{event_type} is accepted")


@asynccontextmanager
async def ground(folder: Path, *, database_url: str | None = None) -> AsyncIterator[Ground]:
    """Without the bridge: that is started by whoever wants to kill it."""
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(stand(folder / "stand", database_url=database_url))
        people = await stack.enter_async_context(People(ready.synapse, folder))
        url = ready.config.database.url.get_secret_value()
        database = await open_database(url)
        stack.push_async_callback(database.close)
        clock = SystemClock()
        yield Ground(
            stand=ready,
            host=await people.nio("Anna"),
            vendor=await people.nio("Chef"),
            reader=await people.nio("Rita"),
            admin=await Admin.of(ready.synapse, ready.session),
            database=database,
            conversations=ConversationStore(clock),
            messages=MessageStore(Sealer(ready.config.storage.master_key.get_secret_value(), clock)),
        )


class Story:
    """A party with two conversations: `chef`, where everybody has an account, and `gina`, where a ghost speaks."""

    def __init__(self, ground: Ground) -> None:
        ground.stories += 1
        self.ground = ground
        self.name = f"s{ground.stories}"
        self.gina = f"gina-{self.name}"
        self.rooms: dict[str, str] = {}
        # What each voice says in each conversation, in its order.
        self.said: dict[tuple[str, str], list[str]] = {}

    async def tell(self) -> None:
        """Everything the people and the platform do. Returns when they have done it, not when it has arrived."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._platform())
            tasks.create_task(self._people())

    async def check(self) -> None:
        """Wait until it has all arrived, then look whether everything is as it must be."""
        await self._settled()
        for vendor in ("chef", self.gina):
            await self._check_room(vendor)
            await self._check_conversation(vendor)
        assert await self.ground.left_over("dead") == []
        assert await self.ground.left_over("parked") == []
        undelivered = await self.ground.database.fetch(UNDELIVERED, self.name)
        assert len(undelivered) == 0, "keys of ended sessions wait for ever"

    # What happens

    async def _platform(self) -> None:
        send, party = self.ground.send, self._party()
        vendors = [self._person("chef", "Chef", self.ground.vendor), {"id": self.gina, "name": "Gina"}]
        await send("party.plan.completed", {"party": party, "vendors": vendors})
        for vendor in ("chef", self.gina):
            self._says(vendor, "festimo", greeting().splitlines()[0])
        await self._message(self.gina, self.gina, "g1")
        await self._message("chef", "anna", "a1")
        await self._message(self.gina, "anna", "a2")
        booking = {
            "id": f"b-{self.name}",
            "service": f"Catering {self.name}",
            "starts_at": "2027-06-12T14:00:00+02:00",
        }
        self._says("chef", "platform", f"Booking confirmed: Catering {self.name}")
        self._says("chef", "platform", f"booking-b-{self.name}.ics")
        await send("booking.confirmed", {"party": party, "vendor": vendors[0], "booking": booking})
        await self._message("chef", "chef", "c1")
        await self._message(self.gina, self.gina, "g2")
        await self._message("chef", "anna", "a3")
        await self._message(self.gina, self.gina, "g3")

    async def _message(self, vendor: str, sender: str, text: str) -> None:
        text = f"{self.name} {text}"
        self._says(vendor, "platform", text)
        data = {"party_id": self.name, "vendor_id": vendor, "sender_id": sender, "text": text}
        await self.ground.send("message.send", data)

    async def _people(self) -> None:
        host, vendor, reader = self.ground.host, self.ground.vendor, self.ground.reader
        while len(self.rooms) < 2:
            await sees(host, lambda: bool(host.invites()))
            for room in host.invites():
                await host.join(room)
                self._found(room, host.room_name(room))
        chef, gina = self.rooms["chef"], self.rooms[self.gina]
        await joined(vendor, chef)
        await joined(reader, gina)
        everybody = {person.user_id for person in (host, vendor, reader)} | {self.ground.bot}
        for client in (host, vendor):
            await knows(client, chef, everybody)
        await knows(reader, gina, everybody - {vendor.user_id})
        await sees(reader, lambda: len(reader.members(gina)) == 4)  # the ghost as well
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._speak(host, "chef", "h1", "h2", "h3"))
            tasks.create_task(self._speak(vendor, "chef", "v1", "v2", "v3"))
            tasks.create_task(self._speak(reader, self.gina, "r1", "r2"))

    async def _speak(self, client: Client, vendor: str, *texts: str) -> None:
        for text in texts:
            self._says(vendor, client.user_id, f"{self.name} {text}")
            await client.send_text(self.rooms[vendor], f"{self.name} {text}")

    def _found(self, room: str, name: str) -> None:
        vendor = {f"Party {self.name} x Chef": "chef", f"Party {self.name} x Gina": self.gina}[name]
        assert vendor not in self.rooms, f"a second room for {name}"
        self.rooms[vendor] = room

    def _says(self, vendor: str, voice: str, text: str) -> None:
        self.said.setdefault((vendor, voice), []).append(text)

    def _party(self) -> dict[str, Any]:
        hosts = [
            self._person("anna", "Anna", self.ground.host),
            self._person("rita", "Rita", self.ground.reader),
        ]
        return {"id": self.name, "title": f"Party {self.name}", "hosts": hosts}

    def _person(self, person_id: str, name: str, client: Client) -> dict[str, Any]:
        return {"id": person_id, "name": name, "mxid": client.user_id}

    # How it ended

    def _readers(self, vendor: str) -> list[Client]:
        ground = self.ground
        return [ground.host, ground.vendor] if vendor == "chef" else [ground.host, ground.reader]

    def _texts(self, vendor: str) -> list[str]:
        return [text for (where, _), texts in self.said.items() if where == vendor for text in texts]

    async def _settled(self) -> None:
        async def nothing_waits() -> bool | None:
            for vendor in ("chef", self.gina):
                if len(await self.ground.history(self.name, vendor)) < len(self._texts(vendor)):
                    return None
            return None if await self.ground.left_over("waiting") else True

        try:
            await eventually(nothing_waits, "all is delivered")
        except AssertionError:
            state = {s: await self.ground.left_over(s) for s in ("waiting", "parked", "dead")}
            histories = [await self.ground.history(self.name, vendor) for vendor in ("chef", self.gina)]
            raise AssertionError(
                f"{self.name} did not come to its end: {state}; {[[m.text for m in h] for h in histories]}"
            ) from None

    async def _check_room(self, vendor: str) -> None:
        """Exactly one, encrypted, with its history open to the invited, with the bot in it."""
        name = f"Party {self.name} x {'Chef' if vendor == 'chef' else 'Gina'}"
        rooms = await self.ground.admin.rooms(name)
        assert [room.room_id for room in rooms] == [self.rooms[vendor]], rooms
        state = await self.ground.admin.state(self.rooms[vendor])
        assert state["m.room.encryption", ""]["algorithm"] == MEGOLM
        assert state["m.room.history_visibility", ""] == {"history_visibility": "invited"}
        assert state["m.room.member", self.ground.bot]["membership"] == "join"

    async def _check_conversation(self, vendor: str) -> None:
        room = self.rooms[vendor]
        events = [e for e in await self.ground.admin.events(room) if "state_key" not in e]
        assert {event["type"] for event in events} == {"m.room.encrypted"}
        self.ground.count_indexes(events)
        on_server = [event["event_id"] for event in events]
        read: dict[str, str] = {}
        for client in self._readers(vendor):
            await has_seen(client, room, set(on_server))
            timeline = client.timeline(room)
            assert [entry.event_id for entry in timeline] == on_server
            await self._check_trust(client, room)
            timeline = client.timeline(room)
            read = {entry.event_id: entry.body for entry in timeline}
            self._check_texts(vendor, list(read.values()))
        history = await self.ground.history(self.name, vendor)
        assert {message.origin_id for message in history} == set(on_server)
        assert {message.status for message in history} == {"sent"}
        for message in history:
            body = read[message.origin_id or ""]
            assert body in (message.text, f"Anna: {message.text}", f"Chef: {message.text}")
        self._check_texts(vendor, [message.text for message in history])

    async def _check_trust(self, client: Client, room: str) -> None:
        """Everything decrypts, and comes from a device that the client knows as the sender's."""

        def unread() -> list[Entry]:
            return [entry for entry in client.timeline(room) if entry.undecryptable or entry.warning]

        self.ground.late += len(unread())
        with suppress(TimeoutError):  # a new sender's devices are asked for once the sync has told of them
            await client.sync_until(lambda: not unread(), LATE)
        assert unread() == [], f"{client.user_id} cannot trust these, {client.timeline(room)}"

    def _check_texts(self, vendor: str, bodies: Sequence[str]) -> None:
        """Each once, and those of one voice in its order."""
        texts = [body.splitlines()[0].removeprefix("Anna: ").removeprefix("Chef: ") for body in bodies]
        assert Counter(texts) == Counter(self._texts(vendor))
        for (where, voice), said in self.said.items():
            if where == vendor:
                assert [text for text in texts if text in said] == said, f"the order of {voice}"
