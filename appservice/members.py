"""Who is in our rooms: stale as soon as a membership event arrives, then asked from the homeserver.

Events may come late and out of order; the homeserver's answer is the truth.
"""

from collections.abc import Awaitable, Callable

from appservice.homeserver import Homeserver
from appservice.names import Names
from appservice.room_map import RoomGone
from bridge.storage.database import Database, Reader, Transaction

IN_ROOM = ("join", "invite")
"""Invited members get room keys too: history is visible to them from their invite."""

MARK_STALE = "UPDATE rooms SET members_version = members_version + 1, members_stale = 1 WHERE room_id = $1"
MARK_ALL_STALE = "UPDATE rooms SET members_version = members_version + 1, members_stale = 1"
SELECT_VERSION = "SELECT members_version, members_stale FROM rooms WHERE room_id = $1"
SELECT_VERSION_TO_CHANGE = SELECT_VERSION + " FOR UPDATE"
SET_FRESH = "UPDATE rooms SET members_stale = 0 WHERE room_id = $1"
SELECT_MEMBERS = "SELECT user_id, membership FROM room_members WHERE room_id = $1 ORDER BY user_id"
DELETE_MEMBER = "DELETE FROM room_members WHERE room_id = $1 AND user_id = $2"
PUT_MEMBER = """
INSERT INTO room_members (room_id, user_id, membership) VALUES ($1, $2, $3)
ON CONFLICT (room_id, user_id) DO UPDATE SET membership = excluded.membership
"""


class Members:
    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        *,
        on_arrived: Callable[[Transaction, list[str]], Awaitable[None]],
        on_left: Callable[[Transaction, str], Awaitable[None]],
    ) -> None:
        """`on_arrived(tx, users)`: others who were invited or have joined; `on_left(tx, room)`: one of them left it."""
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._on_arrived = on_arrived
        self._on_left = on_left

    async def mark_stale(self, tx: Transaction, room_id: str) -> None:
        await tx.execute(MARK_STALE, room_id)

    async def of(self, reader: Reader, room_id: str) -> dict[str, str]:
        """MXID -> "join" or "invite"."""
        rows = await reader.fetch(SELECT_MEMBERS, room_id)
        return {row["user_id"]: row["membership"] for row in rows}

    async def mark_all_stale(self, tx: Transaction) -> None:
        await tx.execute(MARK_ALL_STALE)

    async def refresh(self, room_id: str) -> None:
        """Ask the homeserver who is in the room."""
        row = await self._database.fetch_one(SELECT_VERSION, room_id)
        if row is None:
            raise RoomGone
        told = await self._homeserver.members(self._names.bot, room_id)
        now = {user_id: membership for user_id, membership in told.items() if membership in IN_ROOM}
        async with self._database.transaction() as tx:
            current = await tx.fetch_one(SELECT_VERSION_TO_CHANGE, room_id)
            if current is None or current["members_version"] != row["members_version"]:
                return  # something changed after we asked: whoever needs it asks again
            before = await self.of(tx, room_id)
            for user_id in before.keys() - now.keys():
                await tx.execute(DELETE_MEMBER, room_id, user_id)
            for user_id, membership in now.items():
                if before.get(user_id) != membership:
                    await tx.execute(PUT_MEMBER, room_id, user_id, membership)
            if any(not self._names.is_ours(user_id) for user_id in before.keys() - now.keys()):
                await self._on_left(tx, room_id)
            # A join after an invite too: homeservers tell of device changes only for those who have joined.
            arrived = [
                user
                for user in sorted(now)
                if now[user] != before.get(user) and not self._names.is_ours(user)
            ]
            if arrived:
                await self._on_arrived(tx, arrived)
            await tx.execute(SET_FRESH, room_id)
