"""What one process carries where the homeserver costs nothing: messages a second, and the CPU time of each.

Beside a Synapse on the same cores the bridge mostly waits, and begins each event with cold caches. Here whoever stands
between the two answers each `PUT /send` of an encrypted message at once, and brings the event back in a transaction, as
Synapse does; everything else is Synapse's. Then messages of a client's, eight on their way at any time.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from urllib.parse import parse_qs, unquote

import yaml

from appservice.embedded.settings import write_private
from appservice.embedded.synapse import free_port
from benchmarks import through
from benchmarks.by_database import of_installation, run, say
from benchmarks.ground import Ground, eventually, ground
from benchmarks.intake import in_flight
from benchmarks.process import Process
from benchmarks.sizes import Sizes
from bridge.core.clock import SystemClock
from bridge.core.ids import new_id
from tests.faults.suite.proxy import Answer, Exchange, HttpProxy
from tests.servers.postgres import PostgresServer

FULL = Sizes(rounds=5, rooms=20, per_room=40, one_room=0, one_by_one=80, opened=0, transactions=0)
QUICK = Sizes(rounds=1, rooms=5, per_room=10, one_room=0, one_by_one=20, opened=0, transactions=0)
ON_THEIR_WAY = 8
SEND = r"^PUT /_matrix/client/v3/rooms/[^/]+/send/m\.room\.encrypted/"
JSON = {"Content-Type": "application/json"}


@dataclass(slots=True)
class Samples:
    """One of each round."""

    out_per_s: list[float] = field(default_factory=list)
    out_cpu_ms: list[float] = field(default_factory=list)
    in_per_s: list[float] = field(default_factory=list)
    in_cpu_ms: list[float] = field(default_factory=list)


class Instantly:
    """Takes what is sent, and tells the bridge of it: one transaction at a time, with all that came meanwhile."""

    def __init__(self, place: Ground) -> None:
        self._place = place
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._told: dict[str, asyncio.Future[None]] = {}

    async def take(self, exchange: Exchange) -> Answer:
        room_id = unquote(exchange.request.rel_url.raw_path.split("/")[5])
        (sender,) = parse_qs(exchange.request.query_string)["user_id"]
        event = self._event(room_id, sender, json.loads(exchange.body))
        self._events.put_nowait(event)
        return Answer(HTTPStatus.OK, json.dumps({"event_id": event["event_id"]}).encode(), JSON)

    async def run(self) -> None:
        while True:
            events = [await self._events.get()]
            while not self._events.empty():
                events.append(self._events.get_nowait())
            await self._tell(events)
            for event in events:
                if event["event_id"] in self._told:
                    self._told.pop(event["event_id"]).set_result(None)

    async def say(self, room_id: str, sender: str, content: dict[str, Any]) -> None:
        """Return once the bridge has acknowledged it."""
        event = self._event(room_id, sender, content)
        told = self._told[event["event_id"]] = asyncio.get_running_loop().create_future()
        self._events.put_nowait(event)
        await told

    @staticmethod
    def _event(room_id: str, sender: str, content: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "m.room.encrypted",
            "event_id": f"${new_id()}",
            "room_id": room_id,
            "sender": sender,
            "origin_server_ts": SystemClock().now(),
            "content": content,
            "unsigned": {"age": 10},
        }

    async def _tell(self, events: list[dict[str, Any]]) -> None:
        ours = self._place.stand.config.appservice
        headers = {"Authorization": f"Bearer {ours.hs_token.get_secret_value()}"}
        url = f"{ours.url}/_matrix/app/v1/transactions/{new_id()}"
        async with self._place.session.put(url, json={"events": events}, headers=headers) as response:
            response.raise_for_status()


async def out(place: Ground, process: Process) -> tuple[float, float]:
    rooms, each = place.rooms[1:], place.sizes.per_room
    before = process.cpu()
    rate = await through.throughput(place, rooms, each)
    return rate, (process.cpu() - before) * 1000 / (len(rooms) * each)


async def back(place: Ground, process: Process, homeserver: Instantly) -> tuple[float, float]:
    reader, room, many = place.reader, place.rooms[0], place.sizes.one_by_one
    conversation_id = room.conversation.conversation_id
    reader.forget_session(room.room_id)
    await reader.send_text(room.room_id, "a first one, so that its key is here")
    contents = [reader.encrypted(room.room_id, f"{number} of many things") for number in range(many)]
    await asyncio.sleep(1)
    await place.all_done()
    wanted = many + await place.database.fetch_value(through.RECEIVED, conversation_id)

    async def received() -> bool:
        return bool(await place.database.fetch_value(through.RECEIVED, conversation_id) >= wanted)

    await place.settled(process.pid)
    before, begun = process.cpu(), time.monotonic()
    await in_flight(
        contents, ON_THEIR_WAY, lambda content: homeserver.say(room.room_id, reader.user_id, content)
    )
    await eventually(received, "the bridge has read them", pause=0.01)
    return many / (time.monotonic() - begun), (process.cpu() - before) * 1000 / many


@asynccontextmanager
async def between(place: Ground) -> AsyncIterator[tuple[Process, Instantly]]:
    """The bridge, which takes for the homeserver what stands before it."""
    homeserver = Instantly(place)
    proxy = HttpProxy(free_port(), place.stand.synapse.url)
    settings = yaml.safe_load(place.stand.config_path.read_text())
    settings["homeserver"]["url"] = proxy.url
    write_private(place.stand.config_path, settings)
    telling = asyncio.create_task(homeserver.run())
    try:
        async with proxy, place.bridge() as process:
            await place.warm(process)
            with proxy.rule(SEND, homeserver.take, Random(0)):
                yield process, homeserver
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def measure(folder: Path, quick: bool, server: PostgresServer | None) -> Samples:
    sizes, samples = QUICK if quick else FULL, Samples()
    urls = of_installation(server)
    async with (
        ground(folder, sizes, database_url=urls[0], synapse_database_url=urls[1]) as place,
        between(place) as (process, homeserver),
    ):
        for number in range(sizes.rounds):
            say(f"  round {number + 1} of {sizes.rounds}")
            await place.settled(process.pid)
            for figures, found in (
                ((samples.out_per_s, samples.out_cpu_ms), await out(place, process)),
                ((samples.in_per_s, samples.in_cpu_ms), await back(place, process, homeserver)),
            ):
                for figure, one in zip(figures, found, strict=True):
                    figure.append(one)
    return samples


def table(databases: dict[str, Samples]) -> str:
    lines = ["| | " + " | ".join(databases) + " |", "|---|" + "--:|" * len(databases)]
    words = {
        "out_per_s": "messages out per s",
        "out_cpu_ms": "CPU of a message out, ms",
        "in_per_s": "messages in per s",
        "in_cpu_ms": "CPU of a message in, ms",
    }
    for name, word in words.items():
        medians = [median(asdict(samples)[name]) for samples in databases.values()]
        lines.append(f"| {word} | " + " | ".join(f"{one:.3g}" for one in medians) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    run("benchmarks.capacity", __doc__, measure, table)
