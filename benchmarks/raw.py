"""The bare homeserver: the same requests that the bridge has to make, made by a client that does nothing else."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from appservice.outbound.rooms import ENCRYPTION, HISTORY, OWNER, POWER_LEVELS, ROOM_VERSION, STAFF, TOPIC
from appservice.outbound.spaces import CHILD, PARENT
from appservice.outbound.spaces import TOPIC as SPACE_TOPIC
from benchmarks.ground import Ground, Room
from bridge.core.ids import new_id

Samples = dict[str, float]
"""Figure -> what one round measured."""


@dataclass(slots=True)
class Payload:
    """An `m.room.encrypted` content of the size that the bridge's have."""

    device: str
    ciphertext: int

    def content(self) -> dict[str, Any]:
        return {
            "algorithm": "m.megolm.v1.aes-sha2",
            "sender_key": secrets.token_urlsafe(32),
            "device_id": self.device,
            "session_id": secrets.token_urlsafe(32),
            "ciphertext": secrets.token_urlsafe(self.ciphertext)[: self.ciphertext],
        }


@dataclass(slots=True)
class Watcher:
    """A client's /sync: when each event was seen."""

    ground: Ground
    seen: dict[str, float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator["Watcher"]:
        first = await self._sync({"timeout": "0"})
        task = asyncio.create_task(self._run(first["next_batch"]))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def time_of(self, event_id: str) -> float:
        while event_id not in self.seen:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 20)
        return self.seen[event_id]

    async def _sync(self, query: dict[str, str]) -> dict[str, Any]:
        return await self.ground.matrix("GET", "v3/sync", query=query, token=self.ground.watcher_token)

    async def _run(self, since: str) -> None:
        while True:
            answer = await self._sync({"timeout": "30000", "since": since})
            now, since = time.monotonic(), answer["next_batch"]
            for room in answer.get("rooms", {}).get("join", {}).values():
                self.seen.update((event["event_id"], now) for event in room["timeline"]["events"])
            self.changed.set()


async def measure(ground: Ground, payload: Payload) -> tuple[Samples, list[float], list[float]]:
    """Return what was measured, and how long (s) each message took until it was seen, and until it was decrypted."""
    sizes, samples = ground.sizes, {}
    samples["sends_per_s_many"] = await throughput(ground, payload, ground.rooms[1:], sizes.per_room)
    await ground.settled()
    samples["sends_per_s_one"] = await throughput(ground, payload, ground.rooms[2:3], sizes.one_room)
    await ground.settled()
    seen = await one_by_one(ground, payload)
    await ground.settled()
    read = await decrypted(ground)
    await ground.settled()
    samples["rooms_per_s"] = await _create(ground)
    await ground.settled()
    samples["conversations_per_s"] = await _open(ground, payload)
    await ground.settled()
    return samples, seen, read


async def throughput(ground: Ground, payload: Payload, rooms: list[Room], each: int) -> float:
    async def speak(room: Room) -> None:
        for _ in range(each):
            await _send(ground, payload, room.room_id)

    begun = time.monotonic()
    await asyncio.gather(*(speak(room) for room in rooms))
    return len(rooms) * each / (time.monotonic() - begun)


async def one_by_one(ground: Ground, payload: Payload) -> list[float]:
    """How long (s) each message took until another client's /sync had it."""
    seconds = []
    async with Watcher(ground).watching() as watcher:
        for _ in range(ground.sizes.one_by_one):
            begun = time.monotonic()
            event_id = await _send(ground, payload, ground.rooms[1].room_id)
            seconds.append(await watcher.time_of(event_id) - begun)
    return seconds


async def decrypted(ground: Ground) -> list[float]:
    """How long (s) each took until the client that reads what the bridge says had decrypted it."""
    reader, room_id = ground.reader, ground.rooms[0].room_id
    reader.forget_session(room_id)
    await reader.send_text(room_id, "a first one, so that its key is here")
    seconds = []
    for _ in range(ground.sizes.one_by_one):
        text = f"{new_id()} {'x' * 60}"
        content = reader.encrypted(room_id, text)
        begun = time.monotonic()
        path = f"v3/rooms/{room_id}/send/m.room.encrypted/{new_id()}"
        await ground.matrix("PUT", path, content, token=reader.access_token)
        await reader.wait_for_text(room_id, text)
        seconds.append(time.monotonic() - begun)
    return seconds


async def _create(ground: Ground) -> float:
    begun = time.monotonic()
    await asyncio.gather(*(_room(ground) for _ in range(ground.sizes.opened)))
    return ground.sizes.opened / (time.monotonic() - begun)


async def _open(ground: Ground, payload: Payload) -> float:
    """All that opening a conversation asks of a homeserver: room, invite, ghost, its join, a first message; beside that
    the party's space, in which the room is listed, and its host's invite."""

    async def one() -> None:
        room_id = await _room(ground)
        await asyncio.gather(_space(ground, room_id), people(room_id))

    async def people(room_id: str) -> None:
        await ground.as_bot("POST", f"v3/rooms/{room_id}/invite", {"user_id": ground.owner})
        localpart = f"{ground.names.ghost_prefix}{new_id()}"
        ghost = f"@{localpart}:{ground.names.server_name}"
        body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        await ground.matrix("POST", "v3/register", body)
        await ground.matrix(
            "PUT", f"v3/profile/{ghost}/displayname", {"displayname": "Vendor"}, query={"user_id": ghost}
        )
        await ground.as_bot("POST", f"v3/rooms/{room_id}/invite", {"user_id": ghost})
        await ground.matrix("POST", f"v3/join/{room_id}", {}, query={"user_id": ghost})
        await _send(ground, payload, room_id)

    begun = time.monotonic()
    await asyncio.gather(*(one() for _ in range(ground.sizes.opened)))
    return ground.sizes.opened / (time.monotonic() - begun)


async def _space(ground: Ground, room_id: str) -> None:
    """As `appservice.outbound.spaces` does."""
    body = {
        "room_version": ROOM_VERSION,
        "visibility": "private",
        "preset": "private_chat",
        "creation_content": {"type": "m.space"},
        "room_alias_name": f"{ground.names.ghost_prefix}{new_id()}",
        "name": "Party of the benchmark",
        "topic": SPACE_TOPIC,
        "power_level_content_override": POWER_LEVELS | {"events_default": STAFF, "users": {}},
        "initial_state": [
            {"type": "m.room.history_visibility", "state_key": "", "content": HISTORY},
            {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
        ],
    }
    space = str((await ground.as_bot("POST", "v3/createRoom", body))["room_id"])
    via = {"via": [ground.names.server_name]}
    await ground.as_bot("PUT", f"v3/rooms/{room_id}/state/{PARENT}/{space}", via | {"canonical": True})
    await ground.as_bot("PUT", f"v3/rooms/{space}/state/{CHILD}/{room_id}", via)
    await ground.as_bot("POST", f"v3/rooms/{space}/invite", {"user_id": ground.owner})


async def _send(ground: Ground, payload: Payload, room_id: str) -> str:
    path = f"v3/rooms/{room_id}/send/m.room.encrypted/{new_id()}"
    answer = await ground.as_bot("PUT", path, payload.content(), device_id=payload.device)
    return str(answer["event_id"])


async def _room(ground: Ground) -> str:
    """With the body that `appservice.outbound.rooms` has."""
    body = {
        "room_version": ROOM_VERSION,
        "visibility": "private",
        "preset": "private_chat",
        "room_alias_name": f"{ground.names.ghost_prefix}{new_id()}",
        "name": "Party of the benchmark x Vendor",
        "topic": TOPIC,
        "power_level_content_override": POWER_LEVELS | {"users": {ground.owner: OWNER}},
        "initial_state": [
            {"type": "m.room.encryption", "state_key": "", "content": ENCRYPTION},
            {"type": "m.room.history_visibility", "state_key": "", "content": HISTORY},
            {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
        ],
    }
    return str((await ground.as_bot("POST", "v3/createRoom", body))["room_id"])
