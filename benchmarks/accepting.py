"""How many messages a second are accepted, beside an endpoint that only stores each body: both durable, in turns.

    python -m benchmarks.accepting [--database sqlite|postgresql]

A message that is accepted is validated, attributed, sealed, put into the search index, the feed and the outbox, and
shown in the answer. Without Matrix: what goes out stays in the outbox.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from appservice.embedded.synapse import free_port
from benchmarks.ground import TEXT, eventually
from benchmarks.process import Process
from benchmarks.sizes import AT_ONCE
from benchmarks.sockets import server
from bridge.core.ids import new_id
from tests.servers.postgres import PostgresServer

ROUNDS = 6
MESSAGES = 1_000
CONVERSATIONS = 50


@asynccontextmanager
async def bare(session: aiohttp.ClientSession, folder: Path, database_url: str) -> AsyncIterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        try:
            async with session.put(f"{url}/ready") as response:
                return response.ok
        except aiohttp.ClientError:
            return False

    async with Process("benchmarks.bare_insert", database_url, str(port), log=folder / "bare.log"):
        await eventually(answers, "the bare endpoint answers")
        yield url


async def rate(ask: Callable[[int], Awaitable[None]]) -> float:
    """Calls a second, so many of them in flight."""
    numbers = iter(range(MESSAGES))

    async def work() -> None:
        for number in numbers:
            await ask(number)

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return MESSAGES / (time.perf_counter() - begun)


async def measure(folder: Path, url: str, bare_url: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        bare(session, folder, bare_url) as bare_address,
        server(url) as (address, headers, _),
    ):
        api = f"{address}/api/v1/conversations"

        async def post(url: str, body: object) -> dict[str, str]:
            async with session.post(url, json=body, headers=headers) as response:
                response.raise_for_status()
                return dict(await response.json())

        conversations = []
        for number in range(CONVERSATIONS):
            party = {"id": f"p-{number}", "title": "Party", "hosts": [{"id": "u-1", "name": "Anna"}]}
            vendor = {"id": "v-1", "name": "Sweet Bites"}
            opened = await post(api, {"party": party, "vendor": vendor})
            conversations.append(opened["conversation_id"])

        async def accept(number: int) -> None:
            conversation_id = conversations[number % CONVERSATIONS]
            await post(f"{api}/{conversation_id}/messages", {"sender_id": "u-1", "text": TEXT})

        async def insert(_: int) -> None:
            body = {"sender_id": "u-1", "text": TEXT}
            async with session.put(f"{bare_address}/{new_id()}", json=body) as response:
                response.raise_for_status()

        await rate(accept)  # warm
        rounds = [(await rate(insert), await rate(accept)) for _ in range(ROUNDS)]
    ratios = sorted(ours / theirs for theirs, ours in rounds)
    theirs, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"  bare {theirs:7.0f} a second   bridge {ours:7.0f} a second   ratio {statistics.median(ratios):.2f}"
    )
    print(f"  ratio of each round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accepting", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, bare_url = f"sqlite:///{folder / 'bridge.db'}", f"sqlite:///{folder / 'bare.db'}"
        if parser.parse_args().database == "postgresql":
            postgres = stack.enter_context(PostgresServer(durable=True))
            url, bare_url = postgres.create_database("bridge"), postgres.create_database("bare")
        asyncio.run(measure(folder, url, bare_url))


if __name__ == "__main__":
    main()
