"""Transactions as a homeserver sends them, and how soon an endpoint acknowledges."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from appservice.embedded.synapse import free_port
from benchmarks.ground import eventually
from benchmarks.process import Process
from benchmarks.sizes import AT_ONCE
from bridge.core.ids import new_id


def transaction(room_id: str, sender: str) -> bytes:
    """One event that is kept and means nothing to the bridge."""
    event = {
        "type": "m.reaction",
        "event_id": f"${new_id()}",
        "room_id": room_id,
        "sender": sender,
        "origin_server_ts": 1_795_000_000_000,
        "content": {"m.relates_to": {"rel_type": "m.annotation", "event_id": f"${new_id()}", "key": "yes"}},
        "unsigned": {"age": 10},
    }
    return json.dumps({"events": [event]}).encode()


async def acknowledged(
    session: aiohttp.ClientSession, url: str, token: str, bodies: list[bytes], *, at_once: int
) -> tuple[list[float], float]:
    """Seconds of each, and how many per s."""
    waiting, seconds = iter(bodies), []
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def work() -> None:
        for body in waiting:
            begun = time.monotonic()
            async with session.put(f"{url}/{new_id()}", data=body, headers=headers) as response:
                await response.read()
                response.raise_for_status()
            seconds.append(time.monotonic() - begun)

    begun = time.monotonic()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return seconds, len(bodies) / (time.monotonic() - begun)


async def bare_insert(
    session: aiohttp.ClientSession, folder: Path, database_url: str, count: int
) -> tuple[dict[str, list[float]], float]:
    """The same of an endpoint that only stores each body."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        try:
            async with session.put(f"{url}/ready") as response:
                return response.ok
        except aiohttp.ClientError:
            return False

    async with AsyncExitStack() as stack:
        command = ("benchmarks.bare_insert", database_url, str(port))
        await stack.enter_async_context(Process(*command, log=folder / "bare_insert.log"))
        await eventually(answers, "the bare endpoint answers")
        bodies = [transaction("!room", "@somebody:server") for _ in range(count)]
        idle, _ = await acknowledged(session, url, "none", bodies, at_once=1)
        loaded, rate = await acknowledged(session, url, "none", bodies, at_once=AT_ONCE)
    return {"idle": idle, "loaded": loaded}, rate
