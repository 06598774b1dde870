"""One homeserver, the bridge as a process of its own that can be off, people, and conversations to measure in."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from appservice.embedded.client import Client
from appservice.encryption.sync import QUIET_WAIT
from appservice.names import Names
from appservice.repair import AGAIN
from benchmarks.process import Process, quiet
from benchmarks.sink import sink
from benchmarks.sizes import Sizes
from bridge.config.messages import LONGEST_TEXT
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.clock import SystemClock
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.delivery.outbox import Outbox
from bridge.demo.stand import TENANT, Stand, stand
from bridge.messages.events import MessagePosted
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.storage.database import Database, open_database
from bridge.storage.sealing import Sealer
from bridge.wiring import api_keys

PATIENCE = 120.0
TEXT = "Good evening! The menu for 80 guests is attached; shall we meet for a tasting on Tuesday at six?"
LEFT = """
SELECT (SELECT COUNT(*) FROM outbox WHERE state = 'waiting') + (SELECT COUNT(*) FROM inbox WHERE state = 'waiting')
"""
DEAD = """
SELECT topic, failure FROM outbox WHERE state = 'dead' UNION SELECT topic, failure FROM inbox WHERE state = 'dead'
"""


@dataclass(frozen=True, slots=True)
class Room:
    conversation: Conversation
    room_id: str
    host: str
    """The participant who writes through the API; Festimo speaks for them."""


@dataclass(slots=True)
class Ground:
    """`rooms[0]`: its host reads along with an encrypted client (`reader`). `rooms[1]`: `watcher` reads along, in
    the clear. In the others is `owner` only, whose device gets every key and is not online."""

    stand: Stand
    sizes: Sizes
    database: Database
    messages: Messages
    conversations: ConversationStore
    key: str
    owner: str
    reader: Client
    watcher: str
    watcher_token: str
    rooms: list[Room] = field(default_factory=list)

    @property
    def session(self) -> aiohttp.ClientSession:
        return self.stand.session

    @property
    def names(self) -> Names:
        ours = self.stand.config.appservice
        return Names(self.stand.config.homeserver.server_name, ours.bot_localpart, ours.ghost_prefix)

    # The homeserver, as an application service

    async def matrix(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, str] | None = None,
        token: str = "",
    ) -> dict[str, Any]:
        token = token or self.stand.config.appservice.as_token.get_secret_value()
        url = f"{self.stand.synapse.url}/_matrix/client/{path}"
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, url, json=body, params=query, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            if not response.ok:
                raise RuntimeError(f"{method} {path}: {response.status} {answer}")
            return answer

    async def as_bot(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        return await self.matrix(method, path, body, query={"user_id": self.names.bot, **query})

    async def settled(self, *pids: int) -> None:
        assert self.stand.synapse.pid is not None
        await quiet(self.stand.synapse.pid, *pids)

    # The bridge

    @asynccontextmanager
    async def without_bridge(self) -> AsyncIterator[None]:
        ours = self.stand.config.appservice
        async with sink(ours.listen_host, ours.listen_port):
            await self.matrix("POST", f"v1/appservice/{ours.id}/ping", {})
            # Synapse goes on with a /sync whose client has hung up: each event would cost it that work, too.
            await asyncio.sleep(QUIET_WAIT / 1000)
            await self.settled()
            yield

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[Process]:
        log = self.stand.config_path.with_name("bridge.log")
        command = ("bridge", "run", "-c", str(self.stand.config_path), "--log-level", "info")
        async with Process(*command, log=log) as process:
            await eventually(self._ready, "the bridge is ready")
            yield process

    async def _ready(self) -> bool:
        try:
            async with self.session.get(f"{self.stand.config.appservice.url}/health/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def api(self, path: str, body: Any) -> dict[str, Any]:
        url = f"{self.stand.config.appservice.url}/api/v1{path}"
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.session.post(url, json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            if not response.ok:
                raise RuntimeError(f"POST {path}: {response.status} {answer}")
            return answer

    async def post(self, room: Room, text: str = TEXT) -> None:
        conversation_id = room.conversation.conversation_id
        await self.api(f"/conversations/{conversation_id}/messages", {"sender_id": room.host, "text": text})

    async def warm(self, process: Process) -> None:
        """What a start brings with it is done before anything is measured: each room's new session is made and shared,
        and nothing is looked for any more that was not delivered (`appservice.repair`)."""
        looked_until = time.monotonic() + sum(AGAIN)
        await asyncio.gather(*(self.post(room) for room in self.rooms))
        await self.all_done()
        await asyncio.sleep(looked_until - time.monotonic())
        await self.settled(process.pid)

    async def prepare(self, rooms: list[Room], each: int) -> None:
        """Put messages into the outbox behind the bridge's back: it sees them with the next that is posted there."""
        async with self.database.transaction() as tx:
            for room in rooms:
                for _ in range(each):
                    await self.messages.post(
                        tx, room.conversation, sender_id=ParticipantId(room.host), text=TEXT
                    )

    async def all_done(self) -> None:
        async def done() -> bool:
            return not await self.database.fetch_value(LEFT)

        await eventually(done, "all is delivered")
        dead = await self.database.fetch(DEAD)
        if dead:
            raise RuntimeError(f"dead letters: {[(row['topic'], row['failure']) for row in dead]}")

    async def open(self, party: str, vendor: str, hosts: dict[str, str]) -> ConversationId:
        """`hosts`: MXID -> name."""
        body = {
            "party": {
                "id": party,
                "title": f"Party {party}",
                "hosts": [{"id": name, "name": name, "mxid": user} for user, name in hosts.items()],
            },
            "vendor": {"id": vendor, "name": f"Vendor {vendor}"},
        }
        return ConversationId((await self.api("/conversations", body))["conversation_id"])


async def eventually(
    holds: Callable[[], Awaitable[bool]], what: str, *, pause: float = 0.1, patience: float = PATIENCE
) -> None:
    deadline = time.monotonic() + patience
    while not await holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {patience:g} s: {what}")
        await asyncio.sleep(pause)


@asynccontextmanager
async def ground(
    folder: Path,
    sizes: Sizes,
    *,
    database_url: str | None,
    synapse_database_url: str | None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> AsyncIterator[Ground]:
    """`settings`: keys of the bridge's sections, instead of the usual ones."""
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(
            stand(
                folder,
                database_url=database_url,
                synapse_database_url=synapse_database_url,
                settings=settings,
            )
        )
        database = await open_database(ready.config.database.url.get_secret_value())
        stack.push_async_callback(database.close)
        clock = SystemClock()
        key = await api_keys(ready.config, database, clock).create(TenantId(TENANT), name="benchmark")
        owner, reader = await _client(ready, "owner", folder), await _client(ready, "reader", folder)
        watcher = await ready.synapse.register_user("watcher", secrets.token_hex())
        sealer = Sealer(ready.config.storage.master_key.get_secret_value(), clock)
        outbox, conversations = Outbox(database, sealer, clock), ConversationStore(clock)
        outbox.subscribe("matrix", MessagePosted)
        made = Ground(
            stand=ready,
            sizes=sizes,
            database=database,
            messages=Messages(
                MessageStore(sealer), conversations, outbox, clock, max_text_length=LONGEST_TEXT
            ),
            conversations=conversations,
            key=str(key),
            owner=owner.user_id,
            reader=await stack.enter_async_context(reader),
            watcher=watcher.user_id,
            watcher_token=watcher.access_token,
        )
        try:
            async with made.bridge():
                await _fill(made, owner.access_token)
        finally:
            await owner.close()
        yield made


async def _client(ready: Stand, name: str, folder: Path) -> Client:
    password = secrets.token_hex()
    await ready.synapse.register_user(name, password)
    return await Client.login(
        ready.synapse.url, f"@{name}:{ready.synapse.server_name}", password, folder / name
    )


async def _fill(made: Ground, owner_token: str) -> None:
    """Conversations, with their hosts joined."""
    hosts = [{made.reader.user_id: "reader"}, {made.owner: "owner", made.watcher: "watcher"}]
    hosts += [{made.owner: "owner"}] * (made.sizes.rooms - 1)
    for number, of_room in enumerate(hosts):
        conversation_id = await made.open(f"p{number}", f"v{number}", of_room)
        await made.all_done()
        conversation = await made.conversations.get(made.database, conversation_id)
        room_id = await made.database.fetch_value(
            "SELECT room_id FROM rooms WHERE conversation_id = $1", conversation_id
        )
        assert conversation is not None
        made.rooms.append(Room(conversation, room_id, next(iter(of_room.values()))))
    await made.reader.sync_until(lambda: made.rooms[0].room_id in made.reader.invites())
    await made.reader.join(made.rooms[0].room_id)
    await made.matrix("POST", f"v3/join/{made.rooms[1].room_id}", {}, token=made.watcher_token)
    for room in made.rooms[1:]:
        await made.matrix("POST", f"v3/join/{room.room_id}", {}, token=owner_token)
    await made.all_done()
