"""What the homeserver keeps for one of our users: account data, the backup of room keys, and its devices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mautrix.api import Method, Path

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable

NOT_FOUND = "M_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class BackupVersion:
    """`count`: how many room keys it holds."""

    version: str
    algorithm: str
    auth_data: Mapping[str, Any]
    count: int


class OwnAccount:
    def __init__(self, homeserver: Homeserver, user_id: str) -> None:
        self._homeserver = homeserver
        self._user_id = user_id

    async def data(self, event_type: str) -> dict[str, Any] | None:
        found = await self._ask(Path.v3.user[self._user_id].account_data[event_type])
        return found if isinstance(found, dict) else None

    async def put_data(self, event_type: str, content: Mapping[str, Any]) -> None:
        await self._call(Method.PUT, Path.v3.user[self._user_id].account_data[event_type], content)

    async def joined_rooms(self) -> list[str]:
        found = _object(await self._call(Method.GET, Path.v3.joined_rooms)).get("joined_rooms")
        return [str(room_id) for room_id in found] if isinstance(found, list) else []

    # Devices

    async def devices(self) -> dict[str, str]:
        """Device id -> display name."""
        found = _object(await self._call(Method.GET, Path.v3.devices)).get("devices")
        devices = [_object(device) for device in found] if isinstance(found, list) else []
        return {str(device.get("device_id")): str(device.get("display_name")) for device in devices}

    async def delete_device(self, device_id: str) -> None:
        """One that does not exist is fine."""
        try:
            await self._call(Method.DELETE, Path.v3.devices[device_id], {})
        except HomeserverRefused as refusal:
            if refusal.status != 404:
                raise

    async def said_with(self, device_id: str, room_id: str, *, before: str | None) -> dict[str, Any]:
        """A page of the timeline as this device sees it, newest first: what it has sent has its transaction id."""
        query = {"dir": "b", "limit": "100"} | ({"from": before} if before else {})
        path = Path.v3.rooms[room_id].messages
        page = await self._homeserver.request(
            Method.GET, path, as_user=self._user_id, device=device_id, query=query
        )
        return dict(_object(page))

    # Room keys. Spec: client-server API, "Server-side key backups"

    async def backup(self) -> BackupVersion | None:
        """The present backup, whoever made it."""
        found = await self._ask(Path.v3.room_keys.version)
        if found is None:
            return None
        told, count = _object(found), _object(found).get("count")
        return BackupVersion(
            version=str(told.get("version")),
            algorithm=str(told.get("algorithm")),
            auth_data=_object(told.get("auth_data")),
            count=count if isinstance(count, int) else 0,
        )

    async def make_backup(self, algorithm: str, auth_data: Mapping[str, Any]) -> str:
        """Begin a new backup; return its version. The former one can be written no more."""
        body = {"algorithm": algorithm, "auth_data": auth_data}
        made = _object(await self._call(Method.POST, Path.v3.room_keys.version, body))
        if not isinstance(made.get("version"), str):
            raise HomeserverUnavailable("an answer without the backup's version, perhaps of a proxy")
        return str(made["version"])

    async def put_room_keys(self, version: str, keys: Mapping[str, Mapping[str, Any]]) -> None:
        """`keys`: room id -> session id -> KeyBackupData."""
        body = {"rooms": {room_id: {"sessions": sessions} for room_id, sessions in keys.items()}}
        await self._call(Method.PUT, Path.v3.room_keys.keys, body, {"version": version})

    async def room_keys(self, version: str, room_id: str) -> dict[str, Any]:
        """Session id -> KeyBackupData, of one room."""
        found = _object(await self._ask(Path.v3.room_keys.keys[room_id], {"version": version}))
        return dict(_object(found.get("sessions")))

    async def room_key(self, version: str, room_id: str, session_id: str) -> Any:
        """The KeyBackupData, or None."""
        return await self._ask(Path.v3.room_keys.keys[room_id][session_id], {"version": version})

    async def _ask(self, path: Any, query: Mapping[str, str] | None = None) -> Any:
        try:
            return await self._call(Method.GET, path, query=query)
        except HomeserverRefused as refusal:
            if refusal.errcode == NOT_FOUND:
                return None
            raise

    async def _call(
        self,
        method: Method,
        path: Any,
        content: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        return await self._homeserver.request(method, path, content, as_user=self._user_id, query=query)


def _object(value: Any) -> Mapping[str, Any]:
    """Whatever the homeserver says, a mapping."""
    return value if isinstance(value, Mapping) else {}
