"""Starts, memory, and the CPU time of one event, with however many conversations there are."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ground import Ground, eventually
from benchmarks.large.rows import room_id_of
from benchmarks.through import inbound, throughput
from benchmarks.transactions import transaction
from bridge.core.ids import ConversationId, new_id

Samples = dict[str, float]
TO_BACK_UP = "SELECT COUNT(*) FROM inbound_sessions WHERE backed_up = 0"
LONGEST_FIRST_START = 900.0
"""Seconds: all room keys at once go to the homeserver only here."""
READ = 1_000
"""Conversations of which the history is read."""
TOUCHED = 2_000
"""Conversations to which the homeserver sends an event."""


async def first_start(ground: Ground) -> float:
    """Seconds until all room keys are in the backup."""
    begun = time.monotonic()
    async with ground.bridge() as process:

        async def backed_up() -> bool:
            return not await ground.database.fetch_value(TO_BACK_UP)

        await eventually(backed_up, "all room keys are backed up", patience=LONGEST_FIRST_START)
        await ground.settled(process.pid)
    return time.monotonic() - begun


async def measure(ground: Ground, conversations: Sequence[ConversationId]) -> Samples:
    samples: Samples = {}
    begun = time.monotonic()
    async with ground.bridge() as process:
        samples["start_s"] = time.monotonic() - begun
        samples["start_cpu_s"] = process.cpu()
        samples["memory_mb_at_start"] = memory(process.pid)["VmRSS"]
        await ground.warm(process)
        await _touch(ground, conversations)
        await ground.settled(process.pid)
        rooms = ground.rooms[1:]
        before = process.cpu()
        await throughput(ground, rooms, ground.sizes.per_room)
        await ground.settled(process.pid)
        samples["cpu_ms_out"] = (process.cpu() - before) * 1000 / (len(rooms) * ground.sizes.per_room)
        samples["cpu_ms_in"] = await inbound(ground, process)
        samples["memory_mb"] = memory(process.pid)["VmRSS"]
        samples["memory_mb_most"] = memory(process.pid)["VmHWM"]
        before = process.cpu()
        await asyncio.sleep(3)
        samples["cpu_ms_per_s_idle"] = (process.cpu() - before) * 1000 / 3
    return samples


async def _touch(ground: Ground, conversations: Sequence[ConversationId]) -> None:
    """Have the bridge meet many of them: what it may keep of each in memory is there afterwards."""
    ours = ground.stand.config.appservice
    url, token = f"{ours.url}/_matrix/app/v1/transactions", ours.hs_token.get_secret_value()
    touched = conversations[:TOUCHED]
    for start in range(0, len(touched), 50):
        some = touched[start : start + 50]
        events = [json.loads(transaction(room_id_of(one), ground.owner))["events"][0] for one in some]
        headers = {"Authorization": f"Bearer {token}"}
        async with ground.session.put(
            f"{url}/{new_id()}", json={"events": events}, headers=headers
        ) as answer:
            answer.raise_for_status()
    headers = {"Authorization": f"Bearer {ground.key}"}
    for conversation_id in conversations[:READ]:
        path = f"{ours.url}/api/v1/conversations/{conversation_id}/messages"
        async with ground.session.get(path, headers=headers) as answer:
            answer.raise_for_status()
            await answer.read()
    await ground.all_done()


def memory(pid: int) -> dict[str, float]:
    """MB, by the names of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {
        name: int(value.split()[0]) / 1024
        for name, _, value in (line.partition(":") for line in lines)
        if name in ("VmRSS", "VmHWM")
    }
