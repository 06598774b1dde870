"""`python -m benchmarks.large`: 100 conversations and 10,000 in turns, then the backlog; writes bench-large.json."""

import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.arguments import arguments
from benchmarks.ground import ground
from benchmarks.large import backlog, traffic
from benchmarks.large.report import summary, table
from benchmarks.large.rows import Rows
from benchmarks.report import machine
from benchmarks.sizes import Sizes
from bridge import logs
from tests.servers.postgres import PostgresServer

OUTPUT = Path("bench-large.json")
FEW = 100
REAL = Sizes(rounds=1, rooms=10, per_room=30, one_room=0, one_by_one=150, opened=0, transactions=0)
"""Rooms on the real homeserver, and what goes through them each round."""


@dataclass(frozen=True, slots=True)
class Large:
    conversations: int
    waiting: int
    rounds: int


FULL = Large(conversations=10_000, waiting=100_000, rounds=3)
QUICK = Large(conversations=500, waiting=2_000, rounds=1)


async def measure(folder: Path, large: Large, urls: dict[str, str | None]) -> dict[str, Any]:
    """`urls`: of the databases "few", "few-synapse", "many", "many-synapse"."""
    async with AsyncExitStack() as stack:
        places, found = {}, {}
        for name, count in (("few", FEW), ("many", large.conversations)):
            place = await stack.enter_async_context(
                ground(
                    folder / name,
                    REAL,
                    database_url=urls[name],
                    synapse_database_url=urls[f"{name}-synapse"],
                )
            )
            rows = Rows(place)
            made = await rows.conversations(count)
            say(f"  {count} conversations are made; the first start backs their room keys up")
            found[name] = {"conversations": count, "first_start_s": await traffic.first_start(place)}
            places[name] = (place, rows, made)
        samples: dict[str, list[traffic.Samples]] = {"few": [], "many": []}
        for number in range(large.rounds):
            for name, (place, _, made) in places.items():
                say(f"  round {number + 1} of {large.rounds}: {found[name]['conversations']} conversations")
                samples[name].append(await traffic.measure(place, made))
        say(f"  {large.waiting} items wait while the homeserver is away")
        place, rows, made = places["many"]
        waited = await backlog.measure(place, rows, made, large.waiting)
        return summary(found, samples) | {"backlog": waited}


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go with us
    asked = arguments("benchmarks.large", __doc__)
    large = QUICK if asked.quick else FULL
    logs.set_up("error")
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    report: dict[str, Any] = {"machine": machine(), "databases": {}}
    for database in asked.databases:
        say(f"{database}:")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="festimo-bench-")))
            urls: dict[str, str | None] = dict.fromkeys(("few", "few-synapse", "many", "many-synapse"))
            if database == "PostgreSQL":
                server = stack.enter_context(PostgresServer(durable=True))
                urls = {name: server.create_database(name.replace("-", "_")) for name in urls}
            report["databases"][database] = asyncio.run(measure(folder, large, urls))
        report["machine"]["load_after"] = round(os.getloadavg()[0], 2)
        OUTPUT.write_text(json.dumps(report, indent=1) + "\n")
    say(f"\n{table(report['databases'])}\n\nAll of it: {OUTPUT}")


if __name__ == "__main__":
    main()
