"""The calls of `appservice.own_account`: account data, devices, backups of room keys. They go by their paths."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from mautrix.api import Method

from tests.fakes.homeserver.ground import Ground, call
from tests.fakes.homeserver.model import Backup, Json, is_better, refused


class OwnAccount(Ground):
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

    @call
    async def account_data(self, user: str, kind: str) -> Json:
        if kind not in self.users[user].account_data:
            raise refused(404, "M_NOT_FOUND")
        return self.users[user].account_data[kind]

    @call
    async def put_account_data(self, user: str, kind: str, content: Json) -> Json:
        self.users[user].account_data[kind] = content
        self.log.append(("put_account_data", user, kind))
        return {}

    @call
    async def joined_rooms(self, user: str) -> Json:
        return {
            "joined_rooms": [name for name, room in self.rooms.items() if room.members.get(user) == "join"]
        }

    @call
    async def list_devices(self, user: str) -> Json:
        devices = self.users[user].devices
        return {
            "devices": [{"device_id": name, "display_name": found.name} for name, found in devices.items()]
        }

    @call
    async def remove_device(self, user: str, device: str) -> Json:
        self._device(user, device)
        self.delete_device(user, device)
        self.log.append(("remove_device", user, device))
        return {}

    @call
    async def backup_version(self, user: str) -> Json:
        backups = self.users[user].backups
        if not backups:
            raise refused(404, "M_NOT_FOUND")
        newest = backups[-1]
        told = {"algorithm": newest.algorithm, "auth_data": newest.auth_data, "etag": str(len(newest.keys))}
        return told | {"version": str(len(backups)), "count": len(newest.keys)}

    @call
    async def make_backup(self, user: str, body: Json) -> Json:
        self.users[user].backups.append(Backup(body["algorithm"], body["auth_data"]))
        self.log.append(("make_backup", user, body))
        return {"version": str(len(self.users[user].backups))}

    @call
    async def put_room_keys(self, user: str, version: str, body: Json) -> Json:
        backup = self._backup(user, version, to_write=True)
        for room_id, room in body["rooms"].items():
            for session_id, data in room["sessions"].items():
                known = backup.keys.get((room_id, session_id))
                if known is None or is_better(data, known):
                    backup.keys[room_id, session_id] = data
        self.log.append(("put_room_keys", user, body))
        return {"count": len(backup.keys), "etag": str(len(backup.keys))}

    @call
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

    @call
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
