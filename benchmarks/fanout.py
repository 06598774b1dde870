"""`python -m benchmarks.fanout`: do webhooks keep up while the homeserver takes messages as fast as it can?

Messages are handed to the API in all rooms, always more of them than the homeserver has taken. A receiver in this
process verifies each webhook and notes when it came. What the feed holds and the receiver has not been told yet is
counted twice a second. Beside it, in the same run: what the bare homeserver takes. Prints a table.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import raw, through
from benchmarks.by_database import of_installation, run, say
from benchmarks.ground import Ground, eventually, ground
from benchmarks.report import in_ms
from benchmarks.sizes import Sizes
from bridge.core.clock import SystemClock
from tests.bridge.webhooks.receiver import Receiver, receiving
from tests.servers.postgres import PostgresServer

SENT, DELIVERED = "message.sent", "message.delivered"
AHEAD = 2
"""Messages for each room that the homeserver has not taken yet."""
LOOK_EVERY = 0.5
NEWEST = "SELECT COALESCE(MAX(entry), 0) FROM feed"
HAPPENED = f"SELECT COUNT(*) FROM feed WHERE entry > $1 AND event IN ('{SENT}', '{DELIVERED}')"
GOING_OUT = f"SELECT COUNT(*) FROM outbox WHERE state = 'waiting' AND topic = '{through.POSTED}'"
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "webhooks": {"allow_http": True, "allowed_networks": ["127.0.0.0/8"]},
    # All of it is said by the same host.
    "rate_limits": {"messages_per_minute": 1_000_000},
}


@dataclass(frozen=True, slots=True)
class Run:
    sizes: Sizes
    """Of the bare homeserver's turn: `per_room` messages in each room."""
    seconds: float


FULL = Run(
    Sizes(rounds=1, rooms=30, per_room=15, one_room=1, one_by_one=0, opened=0, transactions=0), seconds=60
)
QUICK = Run(
    Sizes(rounds=1, rooms=5, per_room=5, one_room=1, one_by_one=0, opened=0, transactions=0), seconds=8
)


@dataclass(slots=True)
class Found:
    bare_per_s: float = 0.0
    messages: int = 0
    seconds: float = 0.0
    """Until the homeserver had taken the last one."""
    behind: list[int] = field(default_factory=list)
    """Not told yet, of the events that had happened; each half second."""
    caught_up_s: float = 0.0
    delays: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds from when it happened until the receiver had it, by type of event."""


class Watch:
    """Notes what the receiver takes."""

    def __init__(self, receiver: Receiver) -> None:
        self._clock = SystemClock()
        self.delays: defaultdict[str, list[float]] = defaultdict(list)
        receiver.refuses = self._note

    def _note(self, body: dict[str, Any]) -> int | None:
        happened = datetime.fromisoformat(body["timestamp"]).timestamp()
        self.delays[body["type"]].append(self._clock.now() / 1000 - happened)
        return None

    @property
    def told(self) -> int:
        return sum(map(len, self.delays.values()))


async def measure(folder: Path, run: Run, urls: tuple[str | None, str | None]) -> Found:
    """`urls`: of the bridge's database and the homeserver's."""
    found = Found()
    async with (
        receiving() as receiver,
        ground(
            folder / "stand",
            run.sizes,
            database_url=urls[0],
            synapse_database_url=urls[1],
            settings=SETTINGS,
        ) as place,
    ):
        payload = await through.payload_of(place)
        say("  bare")
        async with place.without_bridge():
            found.bare_per_s = await raw.throughput(place, payload, place.rooms[1:], run.sizes.per_room)
            await place.settled()
        say(f"  bridge, for {run.seconds:g} s")
        async with place.bridge() as process:
            await place.warm(process)
            made = await place.api("/webhooks", {"url": receiver.url(), "events": [SENT, DELIVERED]})
            receiver.secrets = [made["secret"]]
            watch = Watch(receiver)
            await _keep_up(place, run, watch, found)
    return found


async def _keep_up(place: Ground, run: Run, watch: Watch, found: Found) -> None:
    before = await place.database.fetch_value(NEWEST)

    async def behind() -> int:
        told = watch.told  # first: so that it is never more than what happened
        return int(await place.database.fetch_value(HAPPENED, before)) - told

    async def look() -> None:
        while True:
            found.behind.append(await behind())
            await asyncio.sleep(LOOK_EVERY)

    async def all_told() -> bool:
        return await behind() == 0

    looking = asyncio.create_task(look())
    begun = time.monotonic()
    found.messages = await _speak(place, until=begun + run.seconds)
    await place.all_done()
    found.seconds = time.monotonic() - begun
    looking.cancel()
    await asyncio.wait([looking])
    await eventually(all_told, "the receiver has been told of all")
    found.caught_up_s = time.monotonic() - begun - found.seconds
    found.delays = watch.delays


async def _speak(place: Ground, *, until: float) -> int:
    """Keep so many messages on their way out; return how many were said."""
    rooms, said = place.rooms[1:], 0
    while time.monotonic() < until:
        missing = AHEAD * len(rooms) - int(await place.database.fetch_value(GOING_OUT))
        if missing > 0:
            await asyncio.gather(
                *(place.post(rooms[number % len(rooms)]) for number in range(said, said + missing))
            )
            said += missing
        await asyncio.sleep(0.02)
    return said


def table(databases: Mapping[str, Found]) -> str:
    rows = {
        "messages that the homeserver took, per s": [
            f"{one.messages / one.seconds:.1f}" for one in databases.values()
        ],
        "of the bare homeserver, per s": [f"{one.bare_per_s:.1f}" for one in databases.values()],
        "webhooks meanwhile, per s": [
            f"{sum(map(len, one.delays.values())) / one.seconds:.1f}" for one in databases.values()
        ],
        "most events not told yet, in each quarter of the time": [
            " / ".join(map(str, _most_of_quarters(one.behind))) for one in databases.values()
        ],
        "from the last message taken until all was told, s": [
            f"{one.caught_up_s:.2f}" for one in databases.values()
        ],
        f"`{SENT}`: accepted until told, p50 / p95, ms": [
            in_ms(one.delays[SENT], 50, 95) for one in databases.values()
        ],
        f"`{DELIVERED}`: in the room until told, p50 / p95, ms": [
            in_ms(one.delays[DELIVERED], 50, 95) for one in databases.values()
        ],
    }
    lines = [f"| | {' | '.join(databases)} |", "|---|" + "--:|" * len(databases)]
    return "\n".join(lines + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()])


def _most_of_quarters(values: list[int]) -> list[int]:
    ends = [len(values) * number // 4 for number in range(5)]
    return [max(values[begin:end], default=0) for begin, end in pairwise(ends)]


async def measured(folder: Path, quick: bool, server: PostgresServer | None) -> Found:
    return await measure(folder, QUICK if quick else FULL, of_installation(server))


if __name__ == "__main__":
    run("benchmarks.fanout", __doc__, measured, table)
