"""A homeserver in this process, as strict as the real ones with keys and signatures, and obedient with faults.

It is an `appservice.homeserver.Homeserver` without HTTP, for us and for other people's clients alike, and shares no
code with the engine: signatures are checked with `cryptography`.
"""

import asyncio
import copy
import functools
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from mautrix.api import Method
from unpaddedbase64 import decode_base64

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable

Json = dict[str, Any]
Moment = Literal["before", "after"]
"""Of a call: before it has any effect, or after its effect and before its answer."""
Action = Callable[[], Awaitable[None]]
P = ParamSpec("P")
T = TypeVar("T")

OTK = "signed_curve25519"


def canonical(signed: Mapping[str, Any]) -> bytes:
    """Spec: appendices, "Canonical JSON", of what is signed."""
    bare = {key: value for key, value in signed.items() if key not in ("signatures", "unsigned")}
    return json.dumps(bare, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def is_signed(signed: Mapping[str, Any], user: str, key_id: str, public_key: str) -> bool:
    try:
        signature = decode_base64(signed["signatures"][user][key_id])
        Ed25519PublicKey.from_public_bytes(decode_base64(public_key)).verify(signature, canonical(signed))
    except (KeyError, TypeError, ValueError, InvalidSignature):
        return False
    return True


def refused(status: int, errcode: str, message: str = "") -> HomeserverRefused:
    return HomeserverRefused(status, errcode, message)


@dataclass
class Device:
    name: str = ""
    keys: Json | None = None
    one_time_keys: dict[str, Json] = field(default_factory=dict)
    fallback_key: tuple[str, Json] | None = None
    fallback_used: bool = False
    inbox: list[tuple[int, Json]] = field(default_factory=list)


@dataclass
class Backup:
    """`keys`: (room id, session id) -> KeyBackupData."""

    algorithm: str
    auth_data: Json
    keys: dict[tuple[str, str], Json] = field(default_factory=dict)


@dataclass
class User:
    devices: dict[str, Device] = field(default_factory=dict)
    account_data: dict[str, Json] = field(default_factory=dict)
    backups: list[Backup] = field(default_factory=list)
    """All versions, from "1" on; only the last one counts."""
    master: Json | None = None
    self_signing: Json | None = None
    user_signing: Json | None = None


@dataclass
class Room:
    members: dict[str, str] = field(default_factory=dict)
    state: list[Json] = field(default_factory=list)
    timeline: list[Json] = field(default_factory=list)


@dataclass
class _Plan:
    call: str
    moment: Moment
    action: Action


def _is_better(new: Json, old: Json) -> bool:
    """Spec: client-server API, `PUT /room_keys/keys/{roomId}/{sessionId}`."""
    if new["is_verified"] != old["is_verified"]:
        return bool(new["is_verified"])
    if new["first_message_index"] != old["first_message_index"]:
        return bool(new["first_message_index"] < old["first_message_index"])
    return bool(new["forwarded_count"] < old["forwarded_count"])


def _public_key(cross_signing_key: Mapping[str, Any]) -> str:
    return str(next(iter(cross_signing_key["keys"].values())))


def _call(
    method: Callable[Concatenate["FakeHomeserver", P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["FakeHomeserver", P], Coroutine[Any, Any, T]]:
    """One request: arguments and answers are copies, and the plans made for it are carried out."""

    @functools.wraps(method)
    async def call(self: "FakeHomeserver", /, *args: P.args, **kwargs: P.kwargs) -> T:
        await self.pass_moment(method.__name__, "before")
        given: Any = (copy.deepcopy(args), copy.deepcopy(kwargs))
        answer = copy.deepcopy(await method(self, *given[0], **given[1]))
        await self.pass_moment(method.__name__, "after")
        return answer

    return call


class FakeHomeserver(Homeserver):
    def __init__(self) -> None:
        self.users: dict[str, User] = defaultdict(User)
        self.rooms: dict[str, Room] = {}
        self.aliases: dict[str, str] = {}
        self.media: dict[str, bytes] = {}
        self.down: set[str] = set()
        """Servers that do not answer: their users' keys can be neither asked for nor claimed."""
        self.nobody: set[str] = set()
        """Users that there are not."""
        self.slow: set[str] = set()
        """Servers that answer never, while our homeserver waits for them."""
        self.query_answer: Json | None = None
        """What `/keys/query` says instead of the truth."""
        self.takes_at: int | None = None
        """What its clock says when it takes what is sent."""
        self.log: list[tuple[str, str, Any]] = []
        """(call, user, what it was about) of every call that had an effect, in order."""
        self.claimed: list[tuple[str, str, str]] = []
        """(user, device, key id) of every one-time key given out."""
        self.on_moment: Callable[[str, Moment], None] = lambda call, moment: None
        """Called around every call; what it raises the caller gets."""
        self._plans: list[_Plan] = []
        self._stream = 1
        self._changes: list[tuple[int, str, set[str]]] = []
        self._answered: dict[tuple[str, ...], str] = {}
        self._sent_as: dict[str, tuple[str, str, str]] = {}

    # For tests: what happens around calls

    async def pass_moment(self, call: str, moment: Moment) -> None:
        self.on_moment(call, moment)
        for plan in [plan for plan in self._plans if (plan.call, plan.moment) == (call, moment)]:
            self._plans.remove(plan)
            await plan.action()

    def meanwhile(self, call: str, action: Action, *, moment: Moment = "after") -> None:
        """Have `action` run during the next such call."""
        self._plans.append(_Plan(call, moment, action))

    def fail(self, call: str, error: Exception, *, moment: Moment = "before") -> None:
        """Have the next such call raise, before or after it took effect."""

        async def raise_it() -> None:
            raise error

        self.meanwhile(call, raise_it, moment=moment)

    def lose_nothing(self) -> None:
        """From now on nothing is planned to happen."""
        self._plans.clear()

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What is planned happens to others, later."""
        plans, self._plans = self._plans, []
        try:
            yield
        finally:
            self._plans = plans

    def forget_transactions(self) -> None:
        """As Synapse does after a day: the same transaction id is a new request."""
        self._answered = {("forgotten", *request): answer for request, answer in self._answered.items()}

    def calls(self, name: str) -> list[tuple[str, Any]]:
        return [(user, about) for call, user, about in self.log if call == name]

    # For tests: what other people and servers do

    def add_room(self, room_id: str, members: Mapping[str, str]) -> None:
        self.rooms[room_id] = Room(members=dict(members))

    def set_membership(self, room_id: str, user: str, membership: str) -> None:
        self.rooms[room_id].members[user] = membership

    def set_pinned(self, room_id: str, event_ids: Sequence[str]) -> None:
        content = {"pinned": list(event_ids)}
        event = {"type": "m.room.pinned_events", "state_key": "", "content": content}
        self.rooms[room_id].state.append(event)

    def delete_device(self, user: str, device: str) -> None:
        del self.users[user].devices[device]
        self._changed(user)

    def forget_identity(self, user: str) -> None:
        account = self.users[user]
        account.master = account.self_signing = account.user_signing = None
        self._changed(user)

    def sign_device(self, user: str, device: str, key_id: str, signature: str) -> None:
        """Another device of the user uploads a cross-signature (`/keys/signatures/upload`)."""
        keys = self.users[user].devices[device].keys
        assert keys is not None
        keys["signatures"][user][key_id] = signature
        self._changed(user)

    def put_to_device(self, sender: str, user: str, device: str, event_type: str, content: Json) -> None:
        """A to-device message with any sender, as only a homeserver can make it."""
        self._stream += 1
        event = {"sender": sender, "type": event_type, "content": copy.deepcopy(content)}
        self.users[user].devices[device].inbox.append((self._stream, event))

    def inbox(self, user: str, device: str) -> list[Json]:
        return [event for _, event in self.users[user].devices[device].inbox]

    def timeline(self, room_id: str) -> list[Json]:
        return copy.deepcopy(self.rooms[room_id].timeline)

    # The bridge itself

    async def request(
        self,
        method: Method,
        path: Any,
        content: Mapping[str, Any] | bytes | None = None,
        *,
        as_user: str | None = None,
        device: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The calls of `appservice.own_account`, which go by their paths."""
        assert as_user is not None
        head, *rest = str(path).removeprefix("_matrix/client/v3/").split("/")
        parts, body = [unquote(part) for part in rest], json.loads(json.dumps(content))
        match str(method), head, parts:
            case "GET", "devices", []:
                return await self.list_devices(as_user)
            case "DELETE", "devices", [name]:
                return await self.remove_device(as_user, name)
            case "GET", "joined_rooms", []:
                return await self.joined_rooms(as_user)
            case (("GET" | "PUT"), "user", [user, "account_data", kind]):
                assert user == as_user
                if str(method) == "GET":
                    return await self.account_data(user, kind)
                return await self.put_account_data(user, kind, body)
            case "GET", "room_keys", ["version"]:
                return await self.backup_version(as_user)
            case "POST", "room_keys", ["version"]:
                return await self.make_backup(as_user, body)
            case "PUT", "room_keys", ["keys"]:
                assert query is not None
                return await self.put_room_keys(as_user, query["version"], body)
            case "GET", "room_keys", ["keys", *place]:
                assert query is not None
                return await self.room_keys(as_user, query["version"], place)
            case "GET", "rooms", [room_id, "messages"]:
                assert device is not None
                return await self.said_with(as_user, device, room_id, (query or {}).get("from"))
        raise NotImplementedError(f"{method} {path}")

    # Of one of our users: account data, devices, backups of room keys

    @_call
    async def account_data(self, user: str, kind: str) -> Json:
        if kind not in self.users[user].account_data:
            raise refused(404, "M_NOT_FOUND")
        return self.users[user].account_data[kind]

    @_call
    async def put_account_data(self, user: str, kind: str, content: Json) -> Json:
        self.users[user].account_data[kind] = content
        self.log.append(("put_account_data", user, kind))
        return {}

    @_call
    async def joined_rooms(self, user: str) -> Json:
        return {
            "joined_rooms": [name for name, room in self.rooms.items() if room.members.get(user) == "join"]
        }

    @_call
    async def list_devices(self, user: str) -> Json:
        devices = self.users[user].devices
        return {
            "devices": [{"device_id": name, "display_name": found.name} for name, found in devices.items()]
        }

    @_call
    async def remove_device(self, user: str, device: str) -> Json:
        self._device(user, device)
        self.delete_device(user, device)
        self.log.append(("remove_device", user, device))
        return {}

    @_call
    async def backup_version(self, user: str) -> Json:
        backups = self.users[user].backups
        if not backups:
            raise refused(404, "M_NOT_FOUND")
        newest = backups[-1]
        told = {"algorithm": newest.algorithm, "auth_data": newest.auth_data, "etag": str(len(newest.keys))}
        return told | {"version": str(len(backups)), "count": len(newest.keys)}

    @_call
    async def make_backup(self, user: str, body: Json) -> Json:
        self.users[user].backups.append(Backup(body["algorithm"], body["auth_data"]))
        self.log.append(("make_backup", user, body))
        return {"version": str(len(self.users[user].backups))}

    @_call
    async def put_room_keys(self, user: str, version: str, body: Json) -> Json:
        backup = self._backup(user, version, to_write=True)
        for room_id, room in body["rooms"].items():
            for session_id, data in room["sessions"].items():
                known = backup.keys.get((room_id, session_id))
                if known is None or _is_better(data, known):
                    backup.keys[room_id, session_id] = data
        self.log.append(("put_room_keys", user, body))
        return {"count": len(backup.keys), "etag": str(len(backup.keys))}

    @_call
    async def room_keys(self, user: str, version: str, place: list[str]) -> Json:
        """`place`: a room id, or a room id and a session id."""
        keys = self._backup(user, version).keys
        self.log.append(("room_keys", user, place))
        if len(place) == 1:
            return {"sessions": {session: data for (room, session), data in keys.items() if room == place[0]}}
        room_id, session_id = place
        if (room_id, session_id) not in keys:
            raise refused(404, "M_NOT_FOUND")
        return keys[room_id, session_id]

    @_call
    async def said_with(self, user: str, device: str, room_id: str, before: str | None) -> Json:
        """A page of the timeline with the transaction ids of what this very device has sent."""
        self._device(user, device)
        page = self._page(room_id, before)
        for event in page["chunk"]:
            sent = self._sent_as.get(event["event_id"])
            if sent is not None and sent[:2] == (user, device):
                event["unsigned"] = {"transaction_id": sent[2]}
        return page

    def _backup(self, user: str, version: str, *, to_write: bool = False) -> Backup:
        backups = self.users[user].backups
        if not version.isdecimal() or not 0 < int(version) <= len(backups):
            raise refused(404, "M_NOT_FOUND")
        if to_write and int(version) != len(backups):
            raise refused(403, "M_WRONG_ROOM_KEYS_VERSION")
        return backups[int(version) - 1]

    @_call
    async def ping(self, appservice_id: str, transaction_id: str) -> None:
        self.log.append(("ping", appservice_id, transaction_id))

    @_call
    async def sync(
        self,
        user: str,
        device: str | None,
        *,
        since: str | None,
        filter_: Mapping[str, Any],
        wait: int = 0,
    ) -> Json:
        """Only what came after `since` is kept; everything else is said again however often it is asked."""
        assert device is not None, "only a device has an inbox"
        mine, position = self._device(user, device), int(since or 0)
        mine.inbox = [(at, event) for at, event in mine.inbox if at > position]
        changed = (
            {who for at, who, told in self._changes if at > position and user in told} if since else set()
        )
        unused = [OTK] if mine.fallback_key is not None and not mine.fallback_used else []
        return {
            "next_batch": str(self._stream),
            "to_device": {"events": [event for _, event in mine.inbox]},
            "device_lists": {"changed": sorted(changed), "left": []},
            "device_one_time_keys_count": {OTK: len(mine.one_time_keys)},
            "device_unused_fallback_key_types": unused,
        }

    # Users, profiles, media

    @_call
    async def register(self, localpart: str) -> None:
        self.log.append(("register", localpart, None))

    @_call
    async def set_display_name(self, user: str, name: str) -> None:
        self.log.append(("set_display_name", user, name))

    @_call
    async def set_avatar(self, user: str, mxc: str) -> None:
        self.log.append(("set_avatar", user, mxc))

    @_call
    async def upload(self, user: str, data: bytes, content_type: str) -> str:
        mxc = f"mxc://fake/{len(self.media)}"
        self.media[mxc] = data
        return mxc

    # Rooms

    @_call
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

    @_call
    async def resolve_alias(self, user: str, alias: str) -> str | None:
        return self.aliases.get(alias)

    @_call
    async def delete_alias(self, user: str, alias: str) -> None:
        self.aliases.pop(alias, None)

    @_call
    async def state(self, user: str, room_id: str) -> list[Json]:
        return self._room(room_id).state

    @_call
    async def set_state(
        self, user: str, room_id: str, event_type: str, content: Mapping[str, Any], *, state_key: str = ""
    ) -> None:
        room = self._room(room_id)
        event = {"type": event_type, "state_key": state_key, "sender": user, "content": dict(content)}
        place = (event_type, state_key)
        room.state = [old for old in room.state if (old["type"], old["state_key"]) != place] + [event]
        self.log.append(("set_state", user, (room_id, *place)))

    @_call
    async def kick(self, user: str, room_id: str, other: str) -> None:
        if self._room(room_id).members.get(other) not in ("join", "invite"):
            raise refused(403, "M_FORBIDDEN", "not in the room")
        self.set_membership(room_id, other, "leave")

    @_call
    async def members(self, user: str, room_id: str) -> dict[str, str]:
        members = self._room(room_id).members
        return {who: membership for who, membership in members.items() if membership != "leave"}

    @_call
    async def exists(self, user: str) -> bool:
        await self._wait_for([user])
        if user.partition(":")[2] in self.down:
            raise HomeserverUnavailable("the homeserver answered 502", errcode="M_UNKNOWN")
        return user not in self.nobody

    @_call
    async def invite(self, user: str, room_id: str, invitee: str) -> None:
        if self._room(room_id).members.get(invitee) == "join":
            raise refused(403, "M_FORBIDDEN", "already in the room")
        self.set_membership(room_id, invitee, "invite")

    @_call
    async def join(self, user: str, room_id: str) -> None:
        if self._room(room_id).members.get(user) not in ("invite", "join"):
            raise refused(403, "M_FORBIDDEN", "not invited")
        self.set_membership(room_id, user, "join")

    @_call
    async def leave(self, user: str, room_id: str) -> None:
        self.set_membership(room_id, user, "leave")

    @_call
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

    @_call
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

    @_call
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

    @_call
    async def pinned(self, user: str, room_id: str) -> list[str]:
        events = [event for event in self._room(room_id).state if event["type"] == "m.room.pinned_events"]
        return list(events[-1]["content"]["pinned"]) if events else []

    @_call
    async def pin(self, user: str, room_id: str, event_ids: Sequence[str]) -> None:
        if self._room(room_id).members.get(user) != "join":
            raise refused(403, "M_FORBIDDEN", "not in the room")
        self.set_pinned(room_id, event_ids)
        self.log.append(("pin", user, list(event_ids)))

    @_call
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

    @_call
    async def messages(
        self, user: str, room_id: str, *, before: str | None, after: str | None = None
    ) -> Json:
        return self._page(room_id, before, after)

    @_call
    async def said_at(self, user: str, room_id: str, event_id: str) -> int:
        for event in self._room(room_id).timeline:
            if event["event_id"] == event_id:
                return int(event["origin_server_ts"])
        raise refused(404, "M_NOT_FOUND")

    # Devices and keys

    @_call
    async def create_device(self, user: str, device: str, name: str) -> None:
        self.users[user].devices.setdefault(device, Device()).name = name
        self.log.append(("create_device", user, device))

    @_call
    async def upload_cross_signing(self, user: str, device: str, keys: Mapping[str, Any]) -> None:
        self._device(user, device)
        master = keys["master_key"]
        for usage, name in (("master", "master_key"), ("self_signing", "self_signing_key")):
            key = keys[name]
            if key["user_id"] != user or key["usage"] != [usage] or len(key["keys"]) != 1:
                raise refused(400, "M_INVALID_PARAM", name)
        for name in ("self_signing_key", "user_signing_key"):
            if not is_signed(keys[name], user, f"ed25519:{_public_key(master)}", _public_key(master)):
                raise refused(400, "M_INVALID_SIGNATURE", name)
        account = self.users[user]
        account.master, account.self_signing = master, keys["self_signing_key"]
        account.user_signing = keys["user_signing_key"]
        self.log.append(("upload_cross_signing", user, keys))
        self._changed(user)

    @_call
    async def upload_keys(self, user: str, device: str, body: Mapping[str, Any]) -> dict[str, int]:
        body = json.loads(json.dumps(body))
        mine = self._device(user, device)
        keys = body.get("device_keys", mine.keys)
        if keys is None:
            raise refused(400, "M_INVALID_PARAM", "no device keys yet")
        signing_key = keys["keys"][f"ed25519:{device}"]
        if (keys["user_id"], keys["device_id"]) != (user, device):
            raise refused(400, "M_INVALID_PARAM", "not this device's keys")
        if mine.keys is not None and mine.keys["keys"] != keys["keys"]:
            raise refused(400, "M_INVALID_PARAM", "a device never changes its keys")
        one_time, fallback = body.get("one_time_keys", {}), body.get("fallback_keys", {})
        for signed in (keys, *one_time.values(), *fallback.values()):
            if not is_signed(signed, user, f"ed25519:{device}", signing_key):
                raise refused(400, "M_INVALID_SIGNATURE", "not signed by the device")
        self._check_cross_signatures(user, device, keys)
        for key_id, key in one_time.items():
            if not key_id.startswith(f"{OTK}:") or mine.one_time_keys.get(key_id, key) != key:
                raise refused(400, "M_UNKNOWN", f"one-time key {key_id} exists already")
        if any(key.get("fallback") is not True for key in fallback.values()):
            raise refused(400, "M_INVALID_PARAM", "fallback keys say so")
        mine.one_time_keys.update(one_time)
        for entry in fallback.items():
            mine.fallback_key, mine.fallback_used = entry, False
        if "device_keys" in body:
            mine.keys = keys
            self._changed(user)
        self.log.append(("upload_keys", user, body))
        return {OTK: len(mine.one_time_keys)}

    @_call
    async def query_keys(self, user: str, device: str | None, users: list[str]) -> Json:
        if device is not None:
            self._device(user, device)
        self.log.append(("query_keys", user, users))
        await self._wait_for(users)
        if self.query_answer is not None:
            return self.query_answer
        answer: Json = {"failures": {server: {} for server in self.down}}
        for other in users:
            if other.partition(":")[2] in self.down or other not in self.users:
                continue
            account = self.users[other]
            devices = {name: found.keys for name, found in account.devices.items() if found.keys is not None}
            answer.setdefault("device_keys", {})[other] = devices
            for section, key in (
                ("master_keys", account.master),
                ("self_signing_keys", account.self_signing),
            ):
                if key is not None:
                    answer.setdefault(section, {})[other] = key
        return answer

    @_call
    async def claim_keys(self, user: str, device: str, claims: Mapping[str, Any]) -> Json:
        self._device(user, device)
        self.log.append(("claim_keys", user, claims))
        await self._wait_for(claims)
        answer: Json = {}
        failures: Json = {}
        for other, wanted in claims.items():
            server = other.partition(":")[2]
            if server in self.down:
                failures[server] = {}
                continue
            for name, algorithm in wanted.items():
                assert algorithm == OTK
                found = self.users[other].devices.get(name)
                if found is None:
                    continue
                if found.one_time_keys:
                    key_id = next(iter(found.one_time_keys))
                    key = found.one_time_keys.pop(key_id)
                    self.claimed.append((other, name, key_id))
                elif found.fallback_key is not None:
                    key_id, key = found.fallback_key
                    found.fallback_used = True
                else:
                    continue
                answer.setdefault(other, {})[name] = {key_id: key}
        return {"one_time_keys": answer, "failures": failures}

    @_call
    async def send_to_device(
        self, user: str, device: str, event_type: str, txn_id: str, messages: Mapping[str, Any]
    ) -> None:
        self._published(user, device)
        request = ("to_device", user, device, event_type, txn_id)
        if request in self._answered:
            return
        self._answered[request] = ""
        self.log.append(("send_to_device", user, (event_type, messages)))
        for other, contents in messages.items():
            for name, content in contents.items():
                if name in self.users[other].devices:
                    self.put_to_device(user, other, name, event_type, json.loads(json.dumps(content)))

    async def _wait_for(self, users: Iterable[str]) -> None:
        if not self.slow.isdisjoint(user.partition(":")[2] for user in users):
            await asyncio.Event().wait()

    def _device(self, user: str, device: str) -> Device:
        if device not in self.users[user].devices:
            raise refused(400, "M_UNKNOWN_DEVICE", "no such device")
        return self.users[user].devices[device]

    def _published(self, user: str, device: str) -> None:
        if self._device(user, device).keys is None:
            raise refused(400, "M_UNKNOWN", "nobody can know the keys of this device")

    def _page(self, room_id: str, before: str | None, after: str | None = None) -> Json:
        timeline = self._room(room_id).timeline
        end = len(timeline) if before is None else int(before)
        first = int(after or 0)
        start = max(first, end - 100)
        page: Json = {"chunk": copy.deepcopy(timeline[start:end][::-1])}
        return page | ({"end": str(start)} if start > first else {})

    def _room(self, room_id: str) -> Room:
        if room_id not in self.rooms:
            raise refused(404, "M_NOT_FOUND", "no such room")
        return self.rooms[room_id]

    def _check_cross_signatures(self, user: str, device: str, keys: Json) -> None:
        identity = self.users[user].self_signing
        for key_id in keys["signatures"][user]:
            if key_id == f"ed25519:{device}":
                continue
            public_key = None if identity is None else _public_key(identity)
            if public_key is None or key_id != f"ed25519:{public_key}":
                raise refused(400, "M_INVALID_SIGNATURE", "signed by nobody we know")
            if not is_signed(keys, user, key_id, public_key):
                raise refused(400, "M_INVALID_SIGNATURE", "the cross-signature is wrong")

    def _changed(self, user: str) -> None:
        """Told to those who share a room with the user at this moment, both joined; as Synapse 1.163 does it towards
        a /sync without rooms: a change before a join is not told by the join."""
        self._stream += 1
        told = {
            other
            for room in self.rooms.values()
            if room.members.get(user) == "join"
            for other, membership in room.members.items()
            if membership == "join"
        }
        self._changes.append((self._stream, user, told))
