"""1,000 WebSockets on one process: how soon each is told, and what a flood of typing and receipts does to that.

    python -m benchmarks.sockets [--database sqlite|postgresql] [--quick]

Spread over 100 parties, and all on one. From the moment in which a message is handed to the API until a frame is read.
Calm and flooded turns follow each other in one run, so that their ratio says what the flood costs: typing that begins
and ends without rest, and receipts. Without Matrix: what goes out stays in the outbox.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import aiohttp

from bridge.sockets.session import Pulse
from bridge.storage.database import open_database
from bridge.web.server import serve
from tests.bridge.api.world import OURS
from tests.bridge.sockets.client import LiveWorld
from tests.servers.postgres import PostgresServer

PAUSE = 0.05
"""Seconds between two messages that 10 sockets are told; of those that all are told, ten times as long."""
LIMIT = 60.0
FLOODERS = 10
FLOOD = 200
"""Frames of typing and receipts a second, from that many connections together."""


@dataclass(frozen=True, slots=True)
class Sizes:
    sockets: int
    turns: int
    """Calm ones, and as many flooded."""
    messages: int
    """Of each turn."""


FULL, QUICK = Sizes(sockets=1_000, turns=5, messages=40), Sizes(sockets=100, turns=2, messages=10)


async def be_served(url: str) -> None:
    """The other process: prints its port and a key."""
    database = await open_database(url)
    world = LiveWorld(database, pulse=Pulse())
    server = await serve(world.app(), host="127.0.0.1", port=0)
    print(json.dumps([server.port, str(await world.keys.create(OURS, name="bench"))]), flush=True)
    await world.work()


@asynccontextmanager
async def server(url: str) -> AsyncIterator[tuple[str, dict[str, str], int]]:
    """Its address, what to show it, its process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.sockets", "serve", url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port, key = json.loads(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {key}"}, process.pid
    finally:
        process.terminate()
        await process.wait()


class Run:
    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base
        self._said: dict[str, float] = {}
        self.delays: dict[str, list[float]] = {"calm": [], "flooded": []}
        self.heard = 0
        self.flood = 0
        self.signals = 0

    async def open(self, party: str) -> str:
        body = {
            "party": {"id": party, "title": party, "hosts": [{"id": f"u-{party}", "name": "Anna"}]},
            "vendor": {"id": "v-1", "name": "Sweet Bites"},
        }
        async with self._session.post(f"{self._base}/api/v1/conversations", json=body) as response:
            return str((await response.json())["conversation_id"])

    async def connect(self, party: str) -> aiohttp.ClientWebSocketResponse:
        socket = await self._session.ws_connect(f"{self._base}/ws/communication/{party}")
        await socket.receive_json()
        return socket

    async def listen(self, party: str) -> asyncio.Task[None]:
        socket = await self.connect(party)

        async def read() -> None:
            async for message in socket:
                arrived = time.perf_counter()
                # Without reading the others: what they cost here would be taken for a delay.
                if message.data.startswith('{"type":"message.sent"'):
                    text = json.loads(message.data)["message"]["content"]
                    self.delays[text.partition(" ")[0]].append(arrived - self._said[text])
                    self.heard += 1
                else:
                    self.signals += 1

        return asyncio.create_task(read())

    async def say(self, conversation_id: str, text: str) -> None:
        self._said[text] = time.perf_counter()
        path = f"{self._base}/api/v1/conversations/{conversation_id}/messages"
        async with self._session.post(path, json={"sender_id": "v-1", "text": text}) as response:
            assert response.status == 201

    async def flooded(self, conversations: dict[str, str], number: int) -> None:
        """One of those who type and read without rest; it waits for each answer, as clients do."""
        parties = list(conversations)
        socket = await self.connect(parties[number % len(parties)])
        kinds = cycle(("typing.start", "typing.stop", "typing.start", "typing.stop", "message.read"))
        try:
            for turn, kind in enumerate(kinds):
                # Begins and ends in the same conversation: each is news.
                party = parties[(number + turn // 5 * FLOODERS) % len(parties)]
                who = {"conversation_id": conversations[party], "participant_id": f"u-{party}"}
                begun = time.perf_counter()
                await socket.send_json({"type": kind, **who})
                while (await socket.receive_json())["type"] not in ("ack", "error"):
                    pass
                self.flood += 1
                await asyncio.sleep(max(0, FLOODERS / FLOOD - (time.perf_counter() - begun)))
        finally:
            await socket.close()


async def measure(url: str, parties: int, sizes: Sizes) -> dict[str, object]:
    async with server(url) as (base, headers, pid):
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            run = Run(session, base)
            names = [f"p-{parties}-{number}" for number in range(parties)]
            conversations = {name: await run.open(name) for name in names}
            readers = [await run.listen(names[number % parties]) for number in range(sizes.sockets)]
            spent = {"calm": 0.0, "flooded": 0.0}
            lasted, expected = 0.0, 0
            for turn in range(2 * sizes.turns):
                kind = ("calm", "flooded")[turn % 2]
                before, begun = _seconds_of(pid), time.perf_counter()
                flood = [
                    asyncio.create_task(run.flooded(conversations, number))
                    for number in range(FLOODERS if kind == "flooded" else 0)
                ]
                for number in range(sizes.messages):
                    here = conversations[names[(turn * sizes.messages + number) % parties]]
                    await run.say(here, f"{kind} {turn} {number}")
                    await asyncio.sleep(PAUSE if parties > 1 else 10 * PAUSE)
                expected += sizes.messages * sizes.sockets // parties
                async with asyncio.timeout(LIMIT):
                    while run.heard < expected:  # noqa: ASYNC110 - they come by themselves
                        await asyncio.sleep(0.05)
                spent[kind] += _seconds_of(pid) - before
                lasted += time.perf_counter() - begun if flood else 0
                for task in flood:
                    task.cancel()
                await _ended(flood)
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
    found = {kind: _points(delays) for kind, delays in run.delays.items()}
    return {
        "sockets": sizes.sockets,
        "parties": parties,
        "frames": run.heard,
        **found,
        "ratio": {point: round(found["flooded"][point] / found["calm"][point], 2) for point in found["calm"]},
        "flood_per_s": round(run.flood / lasted),
        "signals_told_per_s": round(run.signals / lasted),
        "cpu_ms_per_message": round(spent["calm"] / (sizes.turns * sizes.messages) * 1000, 2),
        "cpu_ms_per_frame_of_flood": round((spent["flooded"] - spent["calm"]) / run.flood * 1000, 2),
    }


async def _ended(flood: list[asyncio.Task[None]]) -> None:
    """Raise what went wrong with any of them."""
    for ended in await asyncio.gather(*flood, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


def _points(delays: list[float]) -> dict[str, float]:
    cuts = quantiles(delays, n=100)
    return {f"p{point}_ms": round(cuts[point - 1] * 1000, 1) for point in (50, 95, 99)}


def _seconds_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(be_served(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sockets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument(
        "--quick",
        action="store_true",
        default=bool(os.environ.get("QUICK")),
        help="a small run, whose figures mean little",
    )
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go with us
    sizes = QUICK if asked.quick else FULL
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        postgres = None
        if asked.database == "postgresql":
            postgres = stack.enter_context(PostgresServer(durable=True))
        for parties in (sizes.sockets // 10, 1):
            url = (
                f"sqlite:///{folder}/{parties}.db"
                if postgres is None
                else postgres.create_database(f"bridge_{parties}")
            )
            print(json.dumps(asyncio.run(measure(url, parties, sizes))), flush=True)


if __name__ == "__main__":
    main()
