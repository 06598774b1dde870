"""The fake homeserver with what the whole bridge needs of it: events, `/sync` of both kinds, and transactions to us.

It checks what Synapse checks before it lets the bridge do anything, and keeps what a judge needs to know afterwards.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appservice.homeserver import HomeserverUnavailable
from bridge.core.clock import Clock
from tests.fakes.homeserver import FakeHomeserver, Json, Room, refused

TRANSACTIONS_KEPT = 24 * 3_600_000
"""Milliseconds."""
SHOWN = 10
"""Events that a /sync shows of a room; what is more is paged back to."""
IN_ROOM = ("join", "invite")
Deliver = Callable[[str, list[Json]], Awaitable[int | None]]
"""(txn id, events) -> status, or None where nobody answers."""


@dataclass(frozen=True)
class Landed:
    """An encrypted event of the bridge, as it stood in the room."""

    event: Json
    txn_id: str
    at: int
    members: dict[str, str]


@dataclass(frozen=True)
class Membership:
    event_id: str
    membership: str
    at: int


@dataclass
class DeviceLife:
    """When a device was there, and when the bridge had been told of its coming and its going."""

    published: int
    position: int
    told: bool
    removed: int | None = None
    removed_position: int | None = None
    removed_told: bool = False


class LiveHomeserver(FakeHomeserver):
    def __init__(self, clock: Clock, *, sender: str, bot: str) -> None:
        super().__init__()
        self._clock = clock
        self._sender, self._bot = sender, bot
        self._registered = {sender}
        self._stream_events: list[tuple[str, Json]] = []
        self._news = asyncio.Event()
        self._sent: dict[tuple[str, ...], tuple[str, int]] = {}
        self.landed: dict[str, list[Landed]] = {}
        self.memberships: dict[tuple[str, str], list[Membership]] = {}
        self.lives: dict[tuple[str, str], DeviceLife] = {}
        self.acknowledged: list[tuple[int, int]] = []
        """(when, up to which position) for each `/sync` of the bot's device."""
        self.queue: list[Json] = []
        self.hurry = asyncio.Event()
        self._died = False

    # Events

    def emit(self, room_id: str, event_type: str, sender: str, content: Json, **keys: Any) -> Json:
        room = self.rooms[room_id]
        event: Json = {
            "type": event_type,
            "event_id": f"$e{len(self._stream_events)}",
            "room_id": room_id,
            "sender": sender,
            "origin_server_ts": self._clock.now(),
            "content": content,
            **keys,
        }
        if "state_key" in keys:
            place = (event_type, keys["state_key"])
            room.state = [old for old in room.state if (old["type"], old["state_key"]) != place] + [event]
        room.timeline.append(event)
        self._tell(event)
        return event

    def _tell(self, event: Json) -> None:
        self._stream_events.append((event["room_id"], event))
        self.queue.append(event)
        self.hurry.set()

    def set_membership(self, room_id: str, user: str, membership: str, *, by: str | None = None) -> None:
        before = self.rooms[room_id].members.get(user)
        if before == membership:
            return
        self.rooms[room_id].members[user] = membership
        unsigned = {} if before is None else {"unsigned": {"prev_content": {"membership": before}}}
        event = self.emit(
            room_id, "m.room.member", by or user, {"membership": membership}, state_key=user, **unsigned
        )
        known = self.memberships.setdefault((room_id, user), [])
        known.append(Membership(event["event_id"], membership, self._clock.now()))

    def set_pinned(self, room_id: str, event_ids: Sequence[str]) -> None:
        self.emit(room_id, "m.room.pinned_events", self._bot, {"pinned": list(event_ids)}, state_key="")

    def say(self, user: str, room_id: str, content: Json) -> str:
        """Somebody else's client sends an encrypted event."""
        assert self.rooms[room_id].members[user] == "join"
        return str(self.emit(room_id, "m.room.encrypted", user, content)["event_id"])

    # Devices

    def put_to_device(self, sender: str, user: str, device: str, event_type: str, content: Json) -> None:
        super().put_to_device(sender, user, device, event_type, content)
        self._news.set()

    def device_published(self, user: str, device: str) -> None:
        self.lives[user, device] = DeviceLife(self._clock.now(), self._stream, self._told(user))

    def delete_device(self, user: str, device: str) -> None:
        super().delete_device(user, device)
        life = self.lives[user, device]
        life.removed, life.removed_position = self._clock.now(), self._stream
        life.removed_told = self._told(user)

    def _told(self, user: str) -> bool:
        """Whether the change that was made last was told to the bot."""
        return bool(self._changes) and self._changes[-1][1] == user and self._bot in self._changes[-1][2]

    def _changed(self, user: str) -> None:
        super()._changed(user)
        self._news.set()

    def acknowledged_at(self, position: int) -> int | None:
        return next((when for when, upto in self.acknowledged if upto >= position), None)

    # What the bridge asks

    async def whoami(self) -> str:
        return self._sender

    async def date(self) -> str | None:
        return None

    async def ask_for_alias(self, alias: str) -> None:
        raise refused(404, "M_NOT_FOUND")

    async def ping(self, appservice_id: str, transaction_id: str) -> None:
        self.hurry.set()

    async def exists(self, user: str) -> bool:
        return user in self._registered or user in self.users

    async def register(self, localpart: str) -> None:
        self._registered.add(f"@{localpart}:{self._bot.partition(':')[2]}")

    async def set_display_name(self, user: str, name: str) -> None:
        self._check(user)

    async def set_avatar(self, user: str, mxc: str) -> None:
        self._check(user)

    async def create_device(self, user: str, device: str, name: str) -> None:
        self._check(user)
        await super().create_device(user, device, name)

    async def create_room(self, user: str, body: Mapping[str, Any]) -> str:
        self._check(user)
        alias = f"#{body['room_alias_name']}:{user.partition(':')[2]}"
        if alias in self.aliases:
            raise refused(400, "M_ROOM_IN_USE")
        if user in body["power_level_content_override"]["users"]:
            raise refused(400, "M_BAD_JSON", "room version 12: creators are above all levels")
        room_id = f"!room{len(self.rooms)}"
        self.rooms[room_id] = Room()
        self.aliases[alias] = room_id
        create = {"room_version": body["room_version"], **body.get("creation_content", {})}
        self.emit(room_id, "m.room.create", user, create, state_key="")
        self.set_membership(room_id, user, "join")
        levels = dict(body["power_level_content_override"])
        self.emit(room_id, "m.room.power_levels", user, levels, state_key="")
        self.emit(room_id, "m.room.join_rules", user, {"join_rule": "invite"}, state_key="")
        for event in body["initial_state"]:
            self.emit(room_id, event["type"], user, event["content"], state_key=event["state_key"])
        if "name" in body:
            self.emit(room_id, "m.room.name", user, {"name": body["name"]}, state_key="")
        return room_id

    async def invite(self, user: str, room_id: str, invitee: str) -> None:
        self._joined(user, room_id)
        if self._room(room_id).members.get(invitee) == "join":
            raise refused(403, "M_FORBIDDEN", "already in the room")
        self.set_membership(room_id, invitee, "invite", by=user)

    async def join(self, user: str, room_id: str) -> None:
        self._check(user)
        await super().join(user, room_id)

    async def state(self, user: str, room_id: str) -> list[Json]:
        self._joined(user, room_id)
        return await super().state(user, room_id)

    async def set_state(
        self, user: str, room_id: str, event_type: str, content: Mapping[str, Any], *, state_key: str = ""
    ) -> None:
        self._joined(user, room_id)
        known = self.room_state(room_id).get((event_type, state_key))
        if known is None or known["content"] != content:
            self.emit(room_id, event_type, user, dict(content), state_key=state_key)

    async def kick(self, user: str, room_id: str, other: str) -> None:
        self._joined(user, room_id)
        if self._room(room_id).members.get(other) not in ("join", "invite"):
            raise refused(403, "M_FORBIDDEN", "not in the room")
        self.set_membership(room_id, other, "leave", by=user)

    def room_state(self, room_id: str) -> dict[tuple[str, str], Json]:
        return {(event["type"], event["state_key"]): event for event in self.rooms[room_id].state}

    def is_space(self, room_id: str) -> bool:
        return "type" in self.room_state(room_id)["m.room.create", ""]["content"]

    async def members(self, user: str, room_id: str) -> dict[str, str]:
        self._joined(user, room_id)
        return await super().members(user, room_id)

    async def messages(
        self, user: str, room_id: str, *, before: str | None, after: str | None = None
    ) -> Json:
        self._joined(user, room_id)
        seen = self._stream_events[: int(after or 0)]
        place = str(sum(where == room_id for where, _ in seen))
        return await super().messages(user, room_id, before=before, after=place)

    async def send_encrypted(
        self, user: str, device: str, room_id: str, txn_id: str, content: Mapping[str, Any]
    ) -> str:
        self._may_say(user, room_id)
        self._published(user, device)
        request, now = (user, device, room_id, txn_id), self._clock.now()
        known = self._sent.get(request)
        if known is not None and now - known[1] < TRANSACTIONS_KEPT:
            return known[0]
        event = self.emit(room_id, "m.room.encrypted", user, dict(content))
        self._sent[request] = event["event_id"], now
        self._sent_as[event["event_id"]] = (user, device, txn_id)
        members = dict(self.rooms[room_id].members)
        self.landed.setdefault(room_id, []).append(Landed(event, txn_id, now, members))
        return str(event["event_id"])

    async def react(self, user: str, device: str, room_id: str, event_id: str, key: str, txn_id: str) -> str:
        room = self._room(room_id)
        known = len(room.timeline)
        reaction = await super().react(user, device, room_id, event_id, key, txn_id)
        for event in room.timeline[known:]:
            event["origin_server_ts"] = self._clock.now()
            self._tell(event)
        return reaction

    async def sync(
        self,
        user: str,
        device: str | None,
        *,
        since: str | None,
        filter_: Mapping[str, Any],
        wait: int = 0,
    ) -> Json:
        self._check(user)
        if device is None:
            return self._timelines(since)
        if user != self._bot:
            return await super().sync(user, device, since=since, filter_=filter_, wait=wait)
        self._check_alive()
        self.acknowledged.append((self._clock.now(), int(since or 0)))
        self._news.clear()
        answer = await super().sync(user, device, since=since, filter_=filter_, wait=wait)
        if wait and since is not None and not _tells(answer):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), wait / 1000)
            self._check_alive()
            answer = await super().sync(user, device, since=since, filter_=filter_, wait=wait)
        return answer

    def _check_alive(self) -> None:
        """The one `/sync` that was under way, or was tried before it had come back, fails."""
        if self._died:
            self._died = False
            raise HomeserverUnavailable("it has died")

    def _timelines(self, since: str | None) -> Json:
        start = int(since or 0)
        rooms: Json = {}
        for room_id, room in self.rooms.items():
            new = [event for where, event in self._stream_events[start:] if where == room_id]
            if room.members.get(self._bot) == "join" and new:
                shown = new[-SHOWN:]
                first = room.timeline.index(shown[0])
                rooms[room_id] = {
                    "timeline": {
                        "events": shown,
                        "limited": first > 0 if since is None else len(new) > len(shown),
                        "prev_batch": str(first),
                    }
                }
        return {"next_batch": str(len(self._stream_events)), "rooms": {"join": rooms}}

    def _check(self, user: str) -> None:
        """Synapse: "Application service has not registered this user"."""
        if user.partition(":")[2] == self._bot.partition(":")[2] and user not in self._registered:
            raise refused(403, "M_FORBIDDEN", f"{user} is not registered")

    def _joined(self, user: str, room_id: str) -> None:
        self._check(user)
        if self._room(room_id).members.get(user) != "join":
            raise refused(403, "M_FORBIDDEN", f"{user} is not in {room_id}")

    def _may_say(self, user: str, room_id: str) -> None:
        self._joined(user, room_id)
        state = self.room_state(room_id)
        levels = state["m.room.power_levels", ""]["content"]
        is_creator = state["m.room.create", ""]["sender"] == user
        if not is_creator and levels["users"].get(user, 0) < levels["events_default"]:
            raise refused(403, "M_FORBIDDEN", f"{user} may not write in {room_id}")

    # What may befall it

    async def replace(self, room_id: str) -> None:
        """Somebody upgrades it in the bot's name: it is at its end, and nobody else may write in it."""
        self.emit(
            room_id, "m.room.tombstone", self._bot, {"body": "", "replacement_room": "!x"}, state_key=""
        )
        levels = self.room_state(room_id)["m.room.power_levels", ""]["content"]
        levels = levels | {"events_default": 50}
        self.emit(room_id, "m.room.power_levels", self._bot, levels, state_key="")

    def restart(self) -> None:
        """It dies, and comes back without what it kept in memory: transaction ids of to-device messages."""
        self._died = True
        self._news.set()
        self._answered = {key: answer for key, answer in self._answered.items() if key[0] != "to_device"}


def _tells(answer: Json) -> bool:
    return bool(answer["to_device"]["events"] or answer["device_lists"]["changed"])


class Deliveries:
    """The homeserver's transactions: in order, again until they are taken; and what may befall them."""

    LONGEST_PAUSE = 512.0

    def __init__(self, homeserver: LiveHomeserver, deliver: Deliver) -> None:
        self._homeserver = homeserver
        self._deliver = deliver
        self._number = 0
        self.under_way: list[Json] = []
        self.held: list[Json] = []
        self.down = False
        self.accepted: list[tuple[str, list[Json]]] = []

    @property
    def done(self) -> bool:
        return not (self._homeserver.queue or self.under_way or self.held)

    async def run(self) -> None:
        homeserver, pause = self._homeserver, 1.0
        while True:
            if not self.under_way:
                self.under_way, homeserver.queue = homeserver.queue[:100], homeserver.queue[100:]
                self._number += 1
                pause = 1.0
            homeserver.hurry.clear()
            if self.under_way and not self.down and await self._attempt():
                self.under_way = []
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(homeserver.hurry.wait(), pause if self.under_way else 3600)
            pause = min(2 * pause, self.LONGEST_PAUSE)

    async def _attempt(self) -> bool:
        txn_id, events = str(self._number), self.under_way
        status = await self._deliver(txn_id, events)
        assert status in (None, 200, 503), status
        if status == 200:
            self.accepted.append((txn_id, events))
        return status == 200

    def hold(self) -> None:
        """What waits becomes a transaction that comes later than those of what is yet to be said."""
        if self._homeserver.queue:
            self._number += 1
        self._homeserver.queue, self.held = [], self.held + self._homeserver.queue

    def release(self) -> None:
        self._homeserver.queue, self.held = self._homeserver.queue + self.held, []
        self._homeserver.hurry.set()

    def lose(self) -> None:
        """It died with these in memory: they are never delivered. Its transactions are counted from one again."""
        self._homeserver.queue, self._number = [], 1 if self.under_way else 0
        self._homeserver.restart()

    async def repeat(self, which: int, *, same_id: bool) -> None:
        txn_id, events = self.accepted[which % len(self.accepted)]
        await self._deliver(txn_id if same_id else f"again-{txn_id}", events)
