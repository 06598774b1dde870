"""`python -m benchmarks.events`: how long from an event of the platform until a client has decrypted it in the room.

By signed HTTP and by the bus, both of them in use. Beside it, in the same run and in turns: from a bare `PUT /send`
until another client's /sync has it. Prints a table.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

import nats

from benchmarks import raw, through
from benchmarks.by_database import of_installation, run, say
from benchmarks.ground import Room, ground
from benchmarks.report import at_percent, in_ms
from benchmarks.sizes import Sizes
from bridge.core.ids import new_id
from bridge.demo.stand import TENANT
from tests.servers.nats import NatsServer
from tests.servers.postgres import PostgresServer

FULL = Sizes(rounds=3, rooms=5, per_room=1, one_room=1, one_by_one=40, opened=0, transactions=0)
QUICK = Sizes(rounds=1, rooms=2, per_room=1, one_room=1, one_by_one=8, opened=0, transactions=0)
BARE, HTTP, BUS = "bare PUT /send", "event by HTTP", "event by the bus"
PERCENTS = (50, 95)


async def measure(
    folder: Path, sizes: Sizes, urls: tuple[str | None, str | None], bus: str
) -> dict[str, list[float]]:
    """Seconds of each way. `urls`: of the bridge's database and the homeserver's."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    async with ground(
        folder / "stand",
        sizes,
        database_url=urls[0],
        synapse_database_url=urls[1],
        settings={"bus": {"servers": [bus]}},
    ) as place:
        client = await nats.connect(bus)
        stream = client.jetstream()

        async def by_http(room: Room, text: str) -> None:
            await place.stand.platform.send("message.send", _said(room, text))

        async def by_bus(room: Room, text: str) -> None:
            event = place.stand.platform.event("message.send", _said(room, text), event_id=new_id())
            await stream.publish(f"{place.stand.config.bus.events_subject}.{TENANT}", event)

        try:
            payload = await through.payload_of(place)
            for number in range(sizes.rounds):
                say(f"  round {number + 1} of {sizes.rounds}")
                async with place.without_bridge():
                    seconds[BARE] += await raw.one_by_one(place, payload)
                async with place.bridge() as process:
                    await place.warm(process)
                    for name, tell in ((HTTP, by_http), (BUS, by_bus)):
                        seconds[name] += await through.one_by_one(place, tell)
                        await place.settled(process.pid)
        finally:
            await client.close()
    return dict(seconds)


def _said(room: Room, text: str) -> dict[str, Any]:
    conversation = room.conversation
    return {
        "party_id": conversation.party_id,
        "vendor_id": conversation.vendor_id,
        "sender_id": room.host,
        "text": text,
    }


def table(databases: dict[str, dict[str, list[float]]]) -> str:
    lines = ["| p50 / p95, ms | " + " | ".join(databases) + " |", "|---|" + "--:|" * len(databases)]
    for name in (BARE, HTTP, BUS):
        cells = []
        for found in databases.values():
            ratios = (at_percent(found[name], one) / at_percent(found[BARE], one) for one in PERCENTS)
            told = "" if name == BARE else f" ({' / '.join(f'{ratio:.1f}' for ratio in ratios)})"
            cells.append(in_ms(found[name], *PERCENTS) + told)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def measured(folder: Path, quick: bool, server: PostgresServer | None) -> dict[str, list[float]]:
    with NatsServer() as bus:
        return await measure(folder, QUICK if quick else FULL, of_installation(server), bus.url)


if __name__ == "__main__":
    run("benchmarks.events", __doc__, measured, table)
