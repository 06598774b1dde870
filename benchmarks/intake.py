"""`python -m benchmarks.intake`: how many events of the platform are accepted a second, and how many are applied.

One by one and 100 in an envelope, by signed HTTP, and by the bus; beside an endpoint that only stores each body, in the
same run and in turns. All of it durable. `festimo run` with its homeserver away: so nothing goes out, but it applies
what it has accepted, beside accepting more. Prints a table.
"""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import nats
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from standardwebhooks import Webhook

from appservice.embedded.settings import write_private
from appservice.embedded.synapse import free_port
from benchmarks.accepting import bare
from benchmarks.by_database import run, say
from benchmarks.ground import TEXT, eventually
from benchmarks.process import Process
from benchmarks.sizes import AT_ONCE
from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.core.ids import new_id
from bridge.demo.platform import Platform
from bridge.demo.stand import TENANT
from bridge.platform.bus.incoming import DURABLE
from bridge.platform.bus.service import stream_of
from bridge.storage.database import Database, open_database
from tests.servers.nats import NatsServer
from tests.servers.postgres import PostgresServer

PARTIES = 50
ENVELOPE = 100
ENVELOPES_AT_ONCE = 4
ON_THEIR_WAY = 100
"""Events that the bus has not confirmed yet."""
FOREVER = "1000000"
LEFT = "SELECT COUNT(*) FROM inbox WHERE state = 'waiting'"
NOT_DONE = "SELECT topic, failure FROM inbox WHERE failure IS NOT NULL"
ONE, MANY, BUS = "one by one", f"{ENVELOPE} in an envelope", "by the bus"
T = TypeVar("T")
Way = Callable[[Sequence[bytes]], Awaitable[None]]
"""Brings the events; returns once all of them are acknowledged."""


@dataclass(frozen=True, slots=True)
class Sizes:
    rounds: int
    events: int
    """Of each round and way."""


FULL, QUICK = Sizes(rounds=3, events=2_000), Sizes(rounds=1, events=200)


@dataclass(slots=True)
class Samples:
    """One of each round. `bare`: the same requests of the endpoint that only stores."""

    bare: dict[str, list[float]]
    accepted: dict[str, list[float]]
    applied: dict[str, list[float]]
    cpu_ms: dict[str, list[float]]
    """Of one event, accepted and applied."""


async def in_flight(things: Sequence[T], at_once: int, ask: Callable[[T], Awaitable[None]]) -> None:
    left = iter(things)

    async def work() -> None:
        for one in left:
            await ask(one)

    await asyncio.gather(*(work() for _ in range(at_once)))


async def timed(work: Awaitable[None]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


def enveloped(events: Sequence[bytes]) -> list[bytes]:
    """As JSON arrays."""
    return [
        b"[%s]" % b",".join(events[first : first + ENVELOPE]) for first in range(0, len(events), ENVELOPE)
    ]


class Ways:
    """Into a running bridge."""

    def __init__(self, config: Config, session: aiohttp.ClientSession, stream: JetStreamContext) -> None:
        secret = config.platform.tenants[0].webhook_secrets[0].get_secret_value()
        self._url = f"{config.appservice.url}/api/v1/events"
        self._webhook = Webhook(secret)
        self._platform = Platform(config.appservice.url, secret, session)
        self._subject = f"{config.bus.events_subject}.{TENANT}"
        self._session = session
        self._stream = stream
        self.stream_name = stream_of(config.bus.events_subject)

    def events(self, how_many: int) -> list[bytes]:
        return [self.said(f"p-{number % PARTIES}") for number in range(how_many)]

    def said(self, party: str) -> bytes:
        data = {"party_id": party, "vendor_id": "v-1", "sender_id": "u-1", "text": TEXT}
        return self._platform.event("message.send", data, event_id=new_id())

    def opened(self, party: str) -> bytes:
        hosts = [{"id": "u-1", "name": "Anna"}]
        data = {
            "party": {"id": party, "title": "Party", "hosts": hosts},
            "vendor": {"id": "v-1", "name": "Sweet Bites"},
        }
        return self._platform.event("vendor.selected", data, event_id=new_id())

    async def one_by_one(self, events: Sequence[bytes]) -> None:
        async def post(event: bytes) -> None:
            await self._post(self._url, event, "application/cloudevents+json")

        await in_flight(events, AT_ONCE, post)

    async def in_envelopes(self, events: Sequence[bytes]) -> None:
        async def post(envelope: bytes) -> None:
            answer = await self._post(f"{self._url}/batch", envelope, "application/cloudevents-batch+json")
            assert {one["status"] for one in answer["events"]} == {"accepted"}

        await in_flight(enveloped(events), ENVELOPES_AT_ONCE, post)

    async def by_bus(self, events: Sequence[bytes]) -> None:
        last = (await self._stream.stream_info(self.stream_name)).state.last_seq + len(events)

        async def publish(event: bytes) -> None:
            await self._stream.publish(self._subject, event)

        async def acknowledged() -> bool:
            known = await self._stream.consumer_info(self.stream_name, DURABLE)
            return known.ack_floor is not None and known.ack_floor.stream_seq == last

        await in_flight(events, ON_THEIR_WAY, publish)
        await eventually(acknowledged, "the bridge has acknowledged what the bus has", pause=0.01)

    async def _post(self, url: str, body: bytes, content_type: str) -> dict[str, Any]:
        now, delivery = datetime.now(UTC), f"msg_{new_id()}"
        headers = {
            "Content-Type": content_type,
            "webhook-id": delivery,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(delivery, now, body.decode()),
        }
        async with self._session.post(url, data=body, headers=headers) as response:
            response.raise_for_status()
            return dict(await response.json())


async def measure(folder: Path, sizes: Sizes, urls: tuple[str, str], bus: str) -> Samples:
    """`urls`: of the bridge's database, and of the bare endpoint's."""
    samples = Samples(defaultdict(list), defaultdict(list), defaultdict(list), defaultdict(list))
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        address = await stack.enter_async_context(bare(session, folder, urls[1]))
        client = await nats.connect(bus)
        stack.push_async_callback(client.close)
        config, process = await stack.enter_async_context(bridge(folder, urls[0], bus))
        database = await open_database(urls[0])
        stack.push_async_callback(database.close)
        ways = Ways(config, session, client.jetstream())
        await eventually(lambda: _connected(ways, client.jetstream()), "the bridge has connected to the bus")
        await ways.in_envelopes([ways.opened(f"p-{number}") for number in range(PARTIES)])
        await _applied(database)

        async def keep(body: bytes) -> None:
            async with session.put(f"{address}/{new_id()}", data=body) as response:
                response.raise_for_status()

        bring: Mapping[str, Way] = {
            ONE: ways.one_by_one,
            MANY: ways.in_envelopes,
            BUS: ways.by_bus,
        }
        for way in bring.values():  # warm
            await way(ways.events(100))
        await _applied(database)
        for number in range(sizes.rounds):
            say(f"  round {number + 1} of {sizes.rounds}")
            events = ways.events(sizes.events)
            seconds = await timed(in_flight(events, AT_ONCE, keep))
            samples.bare[ONE].append(sizes.events / seconds)
            seconds = await timed(in_flight(enveloped(events), ENVELOPES_AT_ONCE, keep))
            samples.bare[MANY].append(sizes.events / seconds)
            for name, way in bring.items():
                events, before = ways.events(sizes.events), process.cpu()
                begun = time.perf_counter()
                samples.accepted[name].append(sizes.events / await timed(way(events)))
                await _applied(database)
                samples.applied[name].append(sizes.events / (time.perf_counter() - begun))
                samples.cpu_ms[name].append((process.cpu() - before) * 1000 / sizes.events)
    return samples


@asynccontextmanager
async def bridge(folder: Path, database_url: str, bus: str) -> AsyncIterator[tuple[Config, Process]]:
    """It waits for a homeserver that never comes; all that needs none works."""
    settings = fresh_settings(
        server_name="festimo.localhost",
        homeserver_url=f"http://127.0.0.1:{free_port()}",
        listen=f"127.0.0.1:{free_port()}",
        database_url=database_url,
        tenant=TENANT,
    )
    settings["bus"] = {"servers": [bus]}
    path = folder / "config.yaml"
    write_private(path, settings)
    config = Config.model_validate(settings)
    command = ("bridge", "run", "-c", str(path), "--patience", FOREVER, "--log-level", "warning")
    async with Process(*command, log=folder / "bridge.log") as process, aiohttp.ClientSession() as session:

        async def answers() -> bool:
            try:
                async with session.get(f"{config.appservice.url}/health/leader") as response:
                    return response.ok
            except aiohttp.ClientError:
                return False

        await eventually(answers, "the bridge works")
        yield config, process


async def _connected(ways: Ways, stream: JetStreamContext) -> bool:
    try:
        await stream.consumer_info(ways.stream_name, DURABLE)
    except NotFoundError:
        return False
    return True


async def _applied(database: Database) -> None:
    async def none_left() -> bool:
        return not await database.fetch_value(LEFT)

    await eventually(none_left, "all events are applied", pause=0.02)
    failed = await database.fetch(NOT_DONE)
    if failed:
        raise RuntimeError(f"not applied: {[(row['topic'], row['failure']) for row in failed]}")


def table(databases: Mapping[str, Samples]) -> str:
    lines = [
        "| events per s | database | bare, one each | bare, same bodies | accepted | ratio to one each | applied |"
        " CPU each, ms |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in (ONE, MANY, BUS):
        for database, found in databases.items():
            ratios = [
                ours / theirs for theirs, ours in zip(found.bare[ONE], found.accepted[name], strict=True)
            ]
            same = f"{statistics.median(found.bare[name]):.0f}" if name in found.bare else ""
            lines.append(
                f"| {name} | {database} | {statistics.median(found.bare[ONE]):.0f} | {same} |"
                f" {statistics.median(found.accepted[name]):.0f} | {statistics.median(ratios):.2f} |"
                f" {statistics.median(found.applied[name]):.0f} | {statistics.median(found.cpu_ms[name]):.2f} |"
            )
    return "\n".join(lines)


async def measured(folder: Path, quick: bool, server: PostgresServer | None) -> Samples:
    urls = (f"sqlite:///{folder / 'bridge.db'}", f"sqlite:///{folder / 'bare.db'}")
    if server is not None:
        urls = (server.create_database("bridge"), server.create_database("bare"))
    with NatsServer() as bus:
        return await measure(folder, QUICK if quick else FULL, urls, bus.url)


if __name__ == "__main__":
    run("benchmarks.intake", __doc__, measured, table)
