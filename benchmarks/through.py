"""The same through the bridge: from what it has accepted to what the room, or a client, has."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from benchmarks.ground import Ground, Room, eventually
from benchmarks.process import Process
from benchmarks.raw import Payload, Samples
from benchmarks.sizes import AT_ONCE
from benchmarks.transactions import acknowledged, transaction
from bridge.core.clock import SystemClock
from bridge.core.ids import new_id

LAST_FINISHED = "SELECT MAX(finished_at) FROM outbox WHERE topic = $1"
PREPARED = "SELECT prepared FROM outbox WHERE prepared IS NOT NULL ORDER BY seq DESC LIMIT 1"
RECEIVED = (
    "SELECT COUNT(*) FROM messages WHERE conversation_id = $1 AND status = 'sent' AND sender_type = 'user'"
)
POSTED, OPENED = "matrix.MessagePosted", "matrix.ConversationOpened"

Say = Callable[[Room, str], Awaitable[None]]
"""Has the room's host say a text; returns once the bridge has it."""


async def payload_of(ground: Ground) -> Payload:
    """What the bridge's events look like, for the bare homeserver to get as large ones."""
    async with ground.bridge() as process:
        await ground.warm(process)
        await ground.post(ground.rooms[2])
        await ground.all_done()
    content = json.loads(await ground.database.fetch_value(PREPARED))
    return Payload(content["device_id"], len(content["ciphertext"]))


async def measure(ground: Ground, process: Process) -> tuple[Samples, list[float], dict[str, list[float]]]:
    """Return what was measured, the seconds from API call to decrypted, and those of acknowledgements."""
    sizes = ground.sizes
    samples: Samples = {}
    await ground.warm(process)
    before = process.cpu()
    samples["sends_per_s_many"] = await throughput(ground, ground.rooms[1:], sizes.per_room)
    await ground.settled(process.pid)
    samples["cpu_ms_out"] = (process.cpu() - before) * 1000 / (sizes.rooms * sizes.per_room)
    samples["sends_per_s_one"] = await throughput(ground, ground.rooms[2:3], sizes.one_room)
    await ground.settled(process.pid)
    seconds = await one_by_one(ground, ground.post)
    await ground.settled(process.pid)
    samples["cpu_ms_in"] = await inbound(ground, process)
    idle_from = process.cpu()
    await asyncio.sleep(3)
    samples["cpu_ms_per_s_idle"] = (process.cpu() - idle_from) * 1000 / 3
    acknowledgements, samples["acknowledged_per_s"] = await _acknowledge(ground)
    await ground.all_done()
    await ground.settled(process.pid)
    samples["rooms_per_s"], samples["conversations_per_s"] = await _open(ground)
    await ground.settled(process.pid)
    return samples, seconds, acknowledgements


async def throughput(ground: Ground, rooms: list[Room], each: int) -> float:
    """All but one message per room wait in the outbox; the last ones come by the API and wake their lanes."""
    await ground.prepare(rooms, each - 1)
    begun = SystemClock().now()
    await asyncio.gather(*(ground.post(room) for room in rooms))
    await ground.all_done()
    ended = await ground.database.fetch_value(LAST_FINISHED, POSTED)
    return float(len(rooms) * each * 1000 / (ended - begun))


async def one_by_one(ground: Ground, say: Say) -> list[float]:
    """How long (s) each text took until the reader had decrypted it."""
    seconds = []
    room = ground.rooms[0]
    for _ in range(ground.sizes.one_by_one):
        text = f"{new_id()} {'x' * 60}"
        begun = time.monotonic()
        await say(room, text)
        await ground.reader.wait_for_text(room.room_id, f"{room.host}: {text}")
        seconds.append(time.monotonic() - begun)
        await ground.all_done()
    return seconds


async def inbound(ground: Ground, process: Process) -> float:
    """CPU (ms) for each message of a client, until the conversation has it."""
    room = ground.rooms[0]
    conversation_id = room.conversation.conversation_id
    await ground.reader.send_text(room.room_id, "a first one, so that its key is here")
    await asyncio.sleep(1)
    await ground.all_done()
    wanted = await ground.database.fetch_value(RECEIVED, conversation_id) + ground.sizes.one_by_one
    before = process.cpu()
    for number in range(ground.sizes.one_by_one):
        await ground.reader.send_text(room.room_id, f"{number} of many things that a host says")

    async def received() -> bool:
        return bool(await ground.database.fetch_value(RECEIVED, conversation_id) >= wanted)

    await eventually(received, "the bridge has read what was said")
    await ground.all_done()
    return (process.cpu() - before) * 1000 / ground.sizes.one_by_one


async def _acknowledge(ground: Ground) -> tuple[dict[str, list[float]], float]:
    """Seconds until a transaction of one event is acknowledged, one by one and under load; and how many per s then."""
    ours = ground.stand.config.appservice
    url, token = f"{ours.url}/_matrix/app/v1/transactions", ours.hs_token.get_secret_value()
    rooms = [room.room_id for room in ground.rooms]

    def bodies(count: int) -> list[bytes]:
        return [transaction(rooms[number % len(rooms)], ground.owner) for number in range(count)]

    count = ground.sizes.transactions
    idle, _ = await acknowledged(ground.session, url, token, bodies(count), at_once=1)
    await ground.all_done()
    loaded, rate = await acknowledged(ground.session, url, token, bodies(count), at_once=AT_ONCE)
    return {"idle": idle, "loaded": loaded}, rate


async def _open(ground: Ground) -> tuple[float, float]:
    """Rooms made per s, and conversations per s with everybody in them and Festimo's greeting sent."""
    party, count = new_id(), ground.sizes.opened
    begun = SystemClock().now()
    await asyncio.gather(
        *(
            ground.open(f"{party}-{number}", f"{party}-{number}", {ground.owner: "owner"})
            for number in range(count)
        )
    )
    await ground.all_done()
    made = await ground.database.fetch_value(LAST_FINISHED, OPENED) - begun
    done = await ground.database.fetch_value(LAST_FINISHED, POSTED) - begun
    return count * 1000 / made, count * 1000 / done
