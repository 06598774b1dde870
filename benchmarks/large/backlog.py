"""A long backlog while the homeserver is away: memory, and whether the bridge still answers."""

import asyncio
import os
import time
from collections.abc import Sequence
from statistics import quantiles
from typing import Any

import aiohttp

from benchmarks.ground import PATIENCE, Ground, eventually
from benchmarks.large.rows import Rows
from benchmarks.large.traffic import memory
from benchmarks.process import Process
from bridge.core.ids import ConversationId

WATCHED = 45.0
"""Seconds: more than the half minute after which the bridge looks for what it was not told of."""
LOOK = 0.25
WAITING = "SELECT COUNT(*) FROM outbox WHERE state = 'waiting'"
TRIED = "SELECT SUM(attempts) FROM outbox WHERE state = 'waiting'"


async def measure(
    ground: Ground, rows: Rows, conversations: Sequence[ConversationId], count: int
) -> dict[str, Any]:
    """The last part: what waits of conversations without a room on the homeserver is deleted in the end."""
    found: dict[str, Any] = {"lanes": min(len(conversations), count)}
    async with ground.bridge() as process:
        await ground.warm(process)
        found["memory_mb_before"] = memory(process.pid)["VmRSS"]
        await ground.stand.synapse.stop()
        await rows.backlog(conversations, count)
        found["items"] = await ground.database.fetch_value(WAITING)
        begun, cpu = time.monotonic(), process.cpu()
        seconds = await _watch(ground)
        found["cpu_share"] = (process.cpu() - cpu) / (time.monotonic() - begun)
        found |= _answers(seconds) | _memory(process)
        found["attempts"] = int(await ground.database.fetch_value(TRIED) or 0)
    begun = time.monotonic()
    log = ground.stand.config_path.with_name("bridge.log")
    command = ("bridge", "run", "-c", str(ground.stand.config_path), "--log-level", "info")
    async with Process(*command, log=log) as process:
        await eventually(lambda: _is_up(ground, "live"), "the bridge answers", pause=0.02)
        found["live_without_homeserver_s"] = time.monotonic() - begun
        await ground.stand.synapse.start()
        begun = time.monotonic()
        await eventually(lambda: _is_up(ground, "ready"), "the bridge is ready", pause=0.02)
        found["ready_after_homeserver_s"] = time.monotonic() - begun
        found["memory_mb_after_start"] = memory(process.pid)["VmHWM"]
    await rows.forget_backlog()
    async with ground.bridge():
        await ground.all_done()  # what was said meanwhile in the real rooms
    return found


async def _watch(ground: Ground) -> dict[str, list[float]]:
    """Seconds of API calls meanwhile: health, and messages that are accepted."""
    seconds: dict[str, list[float]] = {"health": [], "post": []}
    end = time.monotonic() + WATCHED
    while time.monotonic() < end:
        begun = time.monotonic()
        if not await _is_up(ground, "live"):
            raise RuntimeError("the bridge does not answer")
        seconds["health"].append(time.monotonic() - begun)
        begun = time.monotonic()
        await ground.post(ground.rooms[len(seconds["post"]) % len(ground.rooms)])
        seconds["post"].append(time.monotonic() - begun)
        await asyncio.sleep(LOOK)
    return seconds


async def _is_up(ground: Ground, what: str) -> bool:
    try:
        url = f"{ground.stand.config.appservice.url}/health/{what}"
        async with ground.session.get(url, timeout=aiohttp.ClientTimeout(PATIENCE)) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def _answers(seconds: dict[str, list[float]]) -> dict[str, float]:
    return {
        f"{name}_ms_p{point}": quantiles(values, n=100, method="inclusive")[point - 1] * 1000
        for name, values in seconds.items()
        for point in (50, 99)
    }


def _memory(process: Process) -> dict[str, float]:
    now = memory(process.pid)
    return {"memory_mb": now["VmRSS"], "memory_mb_most": now["VmHWM"], "load": os.getloadavg()[0]}
