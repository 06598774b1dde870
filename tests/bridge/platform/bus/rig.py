"""The bridge's side of a real NATS, and the platform's, on subjects of their own."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from pydantic import SecretStr

from bridge.config.bus import Bus as Settings
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.platform.bus.incoming import DURABLE, EventsFromBus
from bridge.platform.bus.outgoing import FeedToBus
from bridge.platform.bus.service import Bus, stream_of
from bridge.platform.bus.store import PublishedStore
from bridge.platform.reception import Reception
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT, person
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import encode, message_send, vendor_selected
from tests.servers.nats import NatsServer

PATIENCE = 20.0
DAY = 24 * 60 * 60 * 1000
numbers = count()


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


class Rig:
    """The bridge's side of the bus, and the platform's, on subjects of their own."""

    def __init__(
        self, database: Database, server: NatsServer, client: Client, *, credentials_file: str | None = None
    ) -> None:
        self.database = database
        self.platform = Platform(database)
        self.bus: JetStreamContext = client.jetstream()
        name = f"test{next(numbers)}"
        self.settings = Settings(
            servers=(SecretStr(server.url),),
            credentials_file=credentials_file,
            events_subject=f"{name}.events",
            feed_subject=f"{name}.feed",
        )
        self.reception = Reception(self.platform.intake, max_text_length=1_000)
        self.events = EventsFromBus(
            self.reception, self.platform.intake, tenants=[TENANT], subject=self.settings.events_subject
        )
        self.feed = Feed(database, FeedStore(), self.platform.features.clock, kept=DAY)
        self.platform.features.outbox.witness(self.feed.record)
        self.out = FeedToBus(
            database, self.feed, FeedStore(), PublishedStore(), subject=self.settings.feed_subject
        )
        self.ours = Bus(self.settings, self.events, self.out)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncio.Task[None]]:
        running = asyncio.create_task(self.ours.run())
        try:
            async with asyncio.timeout(PATIENCE):
                while self.ours.trouble() is not None or not await self._has_consumer():
                    assert not running.done()
                    await asyncio.sleep(0.01)
            yield running
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def _has_consumer(self) -> bool:
        try:
            await self.bus.consumer_info(stream_of(self.settings.events_subject), DURABLE)
        except nats.js.errors.NotFoundError:
            return False
        return True

    async def tell(self, *events: dict[str, Any], tenant: str = TENANT) -> None:
        for event in events:
            await self.tell_raw(encode(event), tenant=tenant)

    async def tell_raw(self, body: bytes, *, tenant: str = TENANT) -> None:
        await self.bus.publish(f"{self.settings.events_subject}.{tenant}", body)

    async def taken(self) -> None:
        """Everything that the bus holds is acknowledged."""
        stream = stream_of(self.settings.events_subject)

        async def holds() -> bool:
            try:
                known = await self.bus.consumer_info(stream, DURABLE)
            except nats.js.errors.NotFoundError:
                return False
            last = (await self.bus.stream_info(stream)).state.last_seq
            return known.ack_floor is not None and known.ack_floor.stream_seq == last

        await until(holds)

    async def published(self) -> list[dict[str, Any]]:
        """What the platform reads on the bus."""
        stream = stream_of(self.settings.feed_subject)
        state = (await self.bus.stream_info(stream)).state
        found = [await self.bus.get_msg(stream, seq) for seq in range(1, state.last_seq + 1)]
        return [json.loads(one.data or b"") | {"on": one.subject} for one in found]

    async def entries(self) -> list[str]:
        await self.feed.order()
        return [one.event_id for one in await FeedStore().after(self.database, 0, limit=1_000)]


def story(length: int = 12) -> list[dict[str, Any]]:
    said = [message_send(f"{number}") | {"id": f"said-{number}"} for number in range(length)]
    return [vendor_selected() | {"id": "selected"}, *said]


TOLD = [f"{number}" for number in range(12)]


async def is_so(holds: Callable[[], bool]) -> bool:
    return holds()


def opening() -> dict[str, Any]:
    return {
        "tenant_id": TENANT,
        "party_id": "p-1",
        "party_title": "Anna & Ben",
        "hosts": [person("u-anna", "Anna")],
        "vendor": person("v-1", "Sweet Bites"),
    }
