"""`python -m benchmarks.sockets [DATABASE_URL]`: 1,000 WebSockets on one process, and how soon each is told.

Spread over 100 parties, and all on one. From the moment in which a message is handed to the API until a frame is read.
Without Matrix: what goes out stays in the outbox. QUICK=1 is a small run.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import aiohttp

from bridge.sockets.session import Pulse
from bridge.storage.database import open_database
from bridge.web.server import serve
from tests.bridge.api.world import OURS
from tests.bridge.sockets.client import LiveWorld

QUICK = bool(os.environ.get("QUICK"))
SOCKETS = 100 if QUICK else 1_000
MESSAGES = 20 if QUICK else 200
PAUSE = 0.05
"""Seconds between two messages that 10 sockets are told; of those that all are told, ten times as long."""
LIMIT = 60.0


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
        self.delays: list[float] = []

    async def open(self, party: str) -> str:
        body = {
            "party": {"id": party, "title": party, "hosts": [{"id": f"u-{party}", "name": "Anna"}]},
            "vendor": {"id": "v-1", "name": "Sweet Bites"},
        }
        async with self._session.post(f"{self._base}/api/v1/conversations", json=body) as response:
            return str((await response.json())["conversation_id"])

    async def listen(self, party: str) -> asyncio.Task[None]:
        socket = await self._session.ws_connect(f"{self._base}/ws/communication/{party}")
        await socket.receive_json()

        async def read() -> None:
            async for message in socket:
                arrived = time.perf_counter()
                frame = json.loads(message.data)
                if frame["type"] == "message.sent":
                    self.delays.append(arrived - self._said[frame["message"]["content"]])

        return asyncio.create_task(read())

    async def say(self, conversation_id: str, text: str) -> None:
        self._said[text] = time.perf_counter()
        path = f"{self._base}/api/v1/conversations/{conversation_id}/messages"
        async with self._session.post(path, json={"sender_id": "v-1", "text": text}) as response:
            assert response.status == 201


async def measure(url: str, parties: int) -> dict[str, float]:
    async with server(url) as (base, headers, pid):
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            run = Run(session, base)
            names = [f"p-{parties}-{number}" for number in range(parties)]
            conversations = [await run.open(name) for name in names]
            readers = [await run.listen(names[number % parties]) for number in range(SOCKETS)]
            before = _seconds_of(pid)
            for number in range(MESSAGES):
                await run.say(conversations[number % parties], f"{number}")
                await asyncio.sleep(PAUSE if parties > 1 else 10 * PAUSE)
            expected = MESSAGES * SOCKETS // parties
            async with asyncio.timeout(LIMIT):
                while len(run.delays) < expected:  # noqa: ASYNC110 - they come by themselves
                    await asyncio.sleep(0.05)
            spent = _seconds_of(pid) - before
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
    cuts = quantiles(run.delays, n=100)
    return {
        "sockets": SOCKETS,
        "parties": parties,
        "frames": len(run.delays),
        "p50_ms": round(cuts[49] * 1000, 1),
        "p95_ms": round(cuts[94] * 1000, 1),
        "p99_ms": round(cuts[98] * 1000, 1),
        "cpu_ms_per_message": round(spent / MESSAGES * 1000, 2),
    }


def _seconds_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    with TemporaryDirectory() as folder:
        for parties in (SOCKETS // 10, 1):
            url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/{parties}.db"
            print(json.dumps(await measure(url, parties)), flush=True)


if __name__ == "__main__":
    asyncio.run(be_served(sys.argv[2]) if sys.argv[1:2] == ["serve"] else main())
