"""The CPU time of a message, here and in the obvious alternative: a plain bridge on mautrix (`benchmarks/baseline/`).

Each is a process with a Synapse of its own, on SQLite; they take turns. Messages of the platform until a client has
decrypted them, and messages of that client until the platform can read them, in four rooms at once. The alternative
does only what is needed for that.
"""

import asyncio
import logging
import os
import signal
import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.arguments import arguments
from benchmarks.baseline.subject import Baseline
from benchmarks.by_database import say
from benchmarks.ground import eventually
from benchmarks.process import cpu_seconds, quiet
from bridge import logs
from bridge.core.ids import new_id
from tests.faults.suite.festimo import Festimo
from tests.faults.suite.ground import Ground, MakeSubject, Room, ground

SUBJECTS: Mapping[str, MakeSubject] = {"plain mautrix bridge": Baseline, "Festimo Bridge": Festimo}
FULL, QUICK = (5, 40), (1, 10)
"""Rounds, and messages of each room in one."""
Speak = Callable[[Ground, Room, int], Awaitable[None]]


async def out(place: Ground, room: Room, messages: int) -> None:
    """Each once the host's client has decrypted the one before."""
    host = room.conversation.host
    for _ in range(messages):
        text = f"The menu for 80 guests is attached; shall we meet on Tuesday at six? {new_id()}"
        await place.subject.say(room.conversation, host, text, key=new_id())
        await room.clients[host.id].wait_for_text(room.room_id, f"{host.name}: {text}")


async def back(place: Ground, room: Room, messages: int) -> None:
    """Each once the homeserver has the one before; then all are waited for."""
    texts = [f"That is fine with us, see you there: {new_id()}" for _ in range(messages)]
    for text in texts:
        await room.clients[room.conversation.host.id].send_text(room.room_id, text)
    there: set[str] = set()
    cursor: str | None = None

    async def all_there() -> bool:
        nonlocal cursor
        kept, after = await place.subject.history(room.conversation, cursor)
        there.update(one.text for one in kept)
        cursor = after or cursor
        return there.issuperset(texts)

    await eventually(all_there, "the platform can read them", pause=0.5)


WAYS: Mapping[str, Speak] = {"out": out, "in": back}


async def cost(place: Ground, speak: Speak, messages: int) -> float:
    """ms of the bridge's CPU for one message."""
    pid = place.subject.pid
    await quiet(pid)
    before = cpu_seconds(pid)
    await asyncio.gather(*(speak(place, room, messages) for room in place.rooms))
    await quiet(pid)
    return (cpu_seconds(pid) - before) * 1000 / (messages * len(place.rooms))


async def measure(folder: Path, rounds: int, messages: int) -> dict[tuple[str, str], list[float]]:
    """(who, way) -> one of each round."""
    found: dict[tuple[str, str], list[float]] = {(who, way): [] for who in SUBJECTS for way in WAYS}
    async with AsyncExitStack() as stack:
        places = {
            who: await stack.enter_async_context(ground(folder / f"{number}", "sqlite", make))
            for number, (who, make) in enumerate(SUBJECTS.items())
        }
        for place in places.values():
            for speak in WAYS.values():  # warm, and keys are shared
                await cost(place, speak, 5)
        for number in range(rounds):
            for who, place in places.items():
                say(f"  round {number + 1} of {rounds}: {who}")
                for way, speak in WAYS.items():
                    found[who, way].append(await cost(place, speak, messages))
    return found


def table(found: Mapping[tuple[str, str], Sequence[float]]) -> str:
    lines = ["| CPU of a message, ms | " + " | ".join(SUBJECTS) + " | ratio |", "|---|--:|--:|--:|"]
    for way in WAYS:
        theirs, ours = (found[who, way] for who in SUBJECTS)
        ratio = statistics.median(our / their for their, our in zip(theirs, ours, strict=True))
        lines.append(
            f"| {way} | {statistics.median(theirs):.2f} | {statistics.median(ours):.2f} | {ratio:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go with us
    asked = arguments("benchmarks.alternative", __doc__)
    logs.set_up("error")
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    load = os.getloadavg()[0]
    with TemporaryDirectory(prefix="festimo-bench-") as folder:
        found = asyncio.run(measure(Path(folder), *(QUICK if asked.quick else FULL)))
    say(f"\nload when it began: {load:.1f}\n\n{table(found)}")


if __name__ == "__main__":
    main()
