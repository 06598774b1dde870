"""`python -m benchmarks`: the bare homeserver and the bridge in turns, on SQLite and PostgreSQL; writes bench.json."""

import asyncio
import json
import logging
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import raw, through
from benchmarks.arguments import arguments
from benchmarks.ground import ground
from benchmarks.report import Side, machine, result, table
from benchmarks.sizes import FULL, QUICK, Sizes
from benchmarks.transactions import bare_insert
from bridge import logs
from tests.servers.postgres import PostgresServer

OUTPUT = Path("bench.json")


async def measure(folder: Path, sizes: Sizes, urls: tuple[str | None, str | None, str]) -> tuple[Side, Side]:
    """`urls`: of the bridge's database, the homeserver's, and the bare endpoint's."""
    bare, bridged = Side(), Side()
    async with ground(folder / "stand", sizes, database_url=urls[0], synapse_database_url=urls[1]) as place:
        payload = await through.payload_of(place)
        for number in range(sizes.rounds):
            say(f"  round {number + 1} of {sizes.rounds}: bare")
            async with place.without_bridge():
                figures, seen, read = await raw.measure(place, payload)
                delays, rate = await bare_insert(place.session, folder, urls[2], sizes.transactions)
            bare.add(figures | {"acknowledged_per_s": rate}, _delays(seen, read, delays))
            say(f"  round {number + 1} of {sizes.rounds}: bridge")
            async with place.bridge() as process:
                figures, seconds, delays = await through.measure(place, process)
            bridged.add(figures, _delays(seconds, seconds, delays))
    return bare, bridged


def _delays(
    seen: list[float], read: list[float], acknowledgements: dict[str, list[float]]
) -> dict[str, list[float]]:
    return {
        "seen": seen,
        "read": read,
        "ack_idle": acknowledgements["idle"],
        "ack_loaded": acknowledgements["loaded"],
    }


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go with us
    asked = arguments("benchmarks", __doc__)
    sizes = QUICK if asked.quick else FULL
    logs.set_up("error")
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    report = {"machine": machine(), "sizes": asdict(sizes)}
    found = {}
    for database in asked.databases:
        say(f"{database}:")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="festimo-bench-")))
            urls: tuple[str | None, str | None, str] = (None, None, f"sqlite:///{folder / 'bare.db'}")
            if database == "PostgreSQL":
                server = stack.enter_context(PostgresServer(durable=True))
                made = [server.create_database(name) for name in ("bridge", "synapse", "bare")]
                urls = (made[0], made[1], made[2])
            found[database] = result(*asyncio.run(measure(folder, sizes, urls)))
    OUTPUT.write_text(json.dumps(report | {"databases": found}, indent=1) + "\n")
    say(f"\n{table(found)}\n\nAll of it: {OUTPUT}")


if __name__ == "__main__":
    main()
