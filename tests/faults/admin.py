"""What the homeserver itself says about rooms, through its admin API: the side nobody can embellish."""

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from appservice.embedded.synapse import Synapse


@dataclass(frozen=True, slots=True)
class RoomSeen:
    room_id: str
    name: str | None
    encryption: str | None
    history_visibility: str | None
    joined: int


class Admin:
    def __init__(self, url: str, token: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session = session

    @classmethod
    async def of(cls, synapse: Synapse, session: aiohttp.ClientSession) -> Self:
        access = await synapse.register_user("fault-finder", "fault-finder", admin=True)
        return cls(synapse.url, access.access_token, session)

    async def rooms(self, search: str | None = None, *, spaces: bool = False) -> list[RoomSeen]:
        """All rooms, or those with `search` in their name; without spaces, or nothing but these."""
        query = {"limit": "10000"} | ({"search_term": search} if search else {})
        answer = await self.get("/_synapse/admin/v1/rooms", query)
        return [
            RoomSeen(
                room["room_id"],
                room["name"],
                room["encryption"],
                room["history_visibility"],
                room["joined_local_members"],
            )
            for room in answer["rooms"]
            if (room["room_type"] == "m.space") == spaces
        ]

    async def delete_room(self, room_id: str) -> None:
        """Everybody is put out, and the room purged, before this returns."""
        url = f"{self._url}/_synapse/admin/v1/rooms/{quote(room_id)}"
        async with self._session.delete(url, headers=self._headers, json={"purge": True}) as response:
            assert response.status == 200, await response.text()

    async def state(self, room_id: str) -> dict[tuple[str, str], dict[str, Any]]:
        """(type, state key) -> content."""
        answer = await self.get(f"/_synapse/admin/v1/rooms/{quote(room_id)}/state")
        return {(event["type"], event["state_key"]): event["content"] for event in answer["state"]}

    async def events(self, room_id: str) -> list[dict[str, Any]]:
        """The whole timeline, oldest first."""
        path, found, query = f"/_synapse/admin/v1/rooms/{quote(room_id)}/messages", [], {"dir": "b"}
        while True:
            page = await self.get(path, query | {"limit": "500"})
            found += page["chunk"]
            if not page["chunk"] or "end" not in page:
                return found[::-1]
            query["from"] = page["end"]

    async def get(self, path: str, query: dict[str, str] | None = None) -> Any:
        async with self._session.get(self._url + path, params=query, headers=self._headers) as response:
            answer = await response.json()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {answer}")
        return answer
