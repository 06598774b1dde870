"""Calls about users, rooms and what is said in them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from appservice.homeserver import HomeserverUnavailable
from tests.fakes.homeserver.ground import Ground, call
from tests.fakes.homeserver.model import Json, Room, refused


class Rooms(Ground):
    @call
    async def ping(self, appservice_id: str, transaction_id: str) -> None:
        self.log.append(("ping", appservice_id, transaction_id))

    # Users, profiles, media

    @call
    async def register(self, localpart: str) -> None:
        self.log.append(("register", localpart, None))

    @call
    async def set_display_name(self, user: str, name: str) -> None:
        self.log.append(("set_display_name", user, name))

    @call
    async def set_avatar(self, user: str, mxc: str) -> None:
        self.log.append(("set_avatar", user, mxc))

    @call
    async def upload(self, user: str, data: bytes, content_type: str) -> str:
        mxc = f"mxc://fake/{len(self.media)}"
        self.media[mxc] = data
        return mxc

    # Rooms

    @call
    async def create_room(self, user: str, body: Mapping[str, Any]) -> str:
        alias = f"#{body['room_alias_name']}:{user.partition(':')[2]}" if "room_alias_name" in body else None
        if alias in self.aliases:
            raise refused(400, "M_ROOM_IN_USE")
        room_id = f"!room{len(self.rooms)}"
        state = [dict(event) for event in body.get("initial_state", [])]
        self.rooms[room_id] = Room(members={user: "join"}, state=state)
        if alias is not None:
            self.aliases[alias] = room_id
        return room_id

    @call
    async def resolve_alias(self, user: str, alias: str) -> str | None:
        return self.aliases.get(alias)

    @call
    async def delete_alias(self, user: str, alias: str) -> None:
        self.aliases.pop(alias, None)

    @call
    async def state(self, user: str, room_id: str) -> list[Json]:
        return self._room(room_id).state

    @call
    async def set_state(
        self, user: str, room_id: str, event_type: str, content: Mapping[str, Any], *, state_key: str = ""
    ) -> None:
        room = self._room(room_id)
        event = {"type": event_type, "state_key": state_key, "sender": user, "content": dict(content)}
        place = (event_type, state_key)
        room.state = [old for old in room.state if (old["type"], old["state_key"]) != place] + [event]
        self.log.append(("set_state", user, (room_id, *place)))

    @call
    async def kick(self, user: str, room_id: str, other: str) -> None:
        if self._room(room_id).members.get(other) not in ("join", "invite"):
            raise refused(403, "M_FORBIDDEN", "not in the room")
        self.set_membership(room_id, other, "leave")

    @call
    async def members(self, user: str, room_id: str) -> dict[str, str]:
        members = self._room(room_id).members
        return {who: membership for who, membership in members.items() if membership != "leave"}

    @call
    async def exists(self, user: str) -> bool:
        await self._wait_for([user])
        if user.partition(":")[2] in self.down:
            raise HomeserverUnavailable("the homeserver answered 502", errcode="M_UNKNOWN")
        return user not in self.nobody

    @call
    async def invite(self, user: str, room_id: str, invitee: str) -> None:
        if self._room(room_id).members.get(invitee) == "join":
            raise refused(403, "M_FORBIDDEN", "already in the room")
        self.set_membership(room_id, invitee, "invite")

    @call
    async def join(self, user: str, room_id: str) -> None:
        if self._room(room_id).members.get(user) not in ("invite", "join"):
            raise refused(403, "M_FORBIDDEN", "not invited")
        self.set_membership(room_id, user, "join")

    @call
    async def leave(self, user: str, room_id: str) -> None:
        self.set_membership(room_id, user, "leave")

    @call
    async def send_encrypted(
        self, user: str, device: str, room_id: str, txn_id: str, content: Mapping[str, Any]
    ) -> str:
        self._published(user, device)
        room = self._room(room_id)
        if room.members.get(user) != "join":
            raise refused(403, "M_FORBIDDEN", "not in the room")
        request = ("send", user, device, room_id, txn_id)
        if request not in self._answered:
            self._answered[request] = event_id = f"$event{len(self._answered)}:{room_id}"
            self._sent_as[event_id] = (user, device, txn_id)
            room.timeline.append(
                {
                    "type": "m.room.encrypted",
                    "event_id": event_id,
                    "room_id": room_id,
                    "sender": user,
                    "origin_server_ts": self.takes_at or len(self.log),
                    "content": json.loads(json.dumps(content)),
                }
            )
            self.log.append(("send_encrypted", user, event_id))
        return self._answered[request]

    @call
    async def react(self, user: str, device: str, room_id: str, event_id: str, key: str, txn_id: str) -> str:
        """One reaction of a user with a key to an event, as Synapse does it: what was redacted does not count."""
        self._published(user, device)
        room = self._room(room_id)
        if room.members.get(user) != "join":
            raise refused(403, "M_FORBIDDEN", "not in the room")
        request = ("react", user, device, room_id, txn_id)
        if request not in self._answered:
            relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
            content = {"m.relates_to": relation}
            if any((one["sender"], one["content"]) == (user, content) for one in room.timeline):
                raise refused(400, "M_DUPLICATE_ANNOTATION", "Can't send same reaction twice")
            self._answered[request] = reaction = f"$reaction{len(self._answered)}:{room_id}"
            self._sent_as[reaction] = (user, device, txn_id)
            room.timeline.append(
                {
                    "type": "m.reaction",
                    "event_id": reaction,
                    "room_id": room_id,
                    "sender": user,
                    "origin_server_ts": len(self.log),
                    "content": content,
                }
            )
            self.log.append(("react", user, (event_id, key)))
        return self._answered[request]

    @call
    async def reactions(self, user: str, room_id: str, event_id: str, *, after: str | None = None) -> Json:
        """Two a page, newest first."""
        found = [
            event
            for event in reversed(self._room(room_id).timeline)
            if event["content"].get("m.relates_to", {}).get("event_id") == event_id
            and event["type"] == "m.reaction"
        ]
        start = int(after or 0)
        more = {"next_batch": str(start + 2)} if len(found) > start + 2 else {}
        return {"chunk": found[start : start + 2]} | more

    @call
    async def pinned(self, user: str, room_id: str) -> list[str]:
        events = [event for event in self._room(room_id).state if event["type"] == "m.room.pinned_events"]
        return list(events[-1]["content"]["pinned"]) if events else []

    @call
    async def pin(self, user: str, room_id: str, event_ids: Sequence[str]) -> None:
        if self._room(room_id).members.get(user) != "join":
            raise refused(403, "M_FORBIDDEN", "not in the room")
        self.set_pinned(room_id, event_ids)
        self.log.append(("pin", user, list(event_ids)))

    @call
    async def redact(self, user: str, device: str, room_id: str, event_id: str, txn_id: str) -> None:
        self._published(user, device)
        room = self._room(room_id)
        if room.members.get(user) != "join":
            raise refused(403, "M_FORBIDDEN", "not in the room")
        request = ("redact", user, device, room_id, txn_id)
        if request in self._answered:
            return
        self._answered[request] = f"$redaction{len(self._answered)}:{room_id}"
        for event in room.timeline:
            if event["event_id"] == event_id:
                event["content"] = {}
        self.log.append(("redact", user, event_id))

    @call
    async def messages(
        self, user: str, room_id: str, *, before: str | None, after: str | None = None
    ) -> Json:
        return self._page(room_id, before, after)

    @call
    async def said_at(self, user: str, room_id: str, event_id: str) -> int:
        for event in self._room(room_id).timeline:
            if event["event_id"] == event_id:
                return int(event["origin_server_ts"])
        raise refused(404, "M_NOT_FOUND")
