"""Room keys that could not be given: given later, though nobody says anything.

To devices of servers that were away as soon as those are back; to others, which had no one-time key, before the next
message, or after ever longer pauses: a client makes new ones when it is next in use, of which nobody tells us.
"""

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from appservice.encryption.other_servers import OtherServers, all_of, server_of
from appservice.encryption.outbound_sessions import Encryptor
from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from appservice.room_map import RoomGone
from bridge.storage.database import Database, DatabaseError

SELECT_OWED = """
SELECT s.room_id, s.sender, h.user_id FROM session_shares h
    CROSS JOIN outbound_sessions s CROSS JOIN devices d
WHERE h.ratchet IS NOT NULL AND s.session_id = h.session_id AND d.user_id = h.user_id AND d.device_id = h.device_id
    AND d.identity_key = h.identity_key AND d.removed = 0
UNION SELECT room_id, sender, user_id FROM owed_keys
ORDER BY 1, 2, 3
"""
LOOK_EVERY = 10.0
PAUSES = (10.0, 60.0, 600.0, 3600.0)
"""Seconds until a device without a one-time key is asked for one again; then always the last."""
PAUSE_AFTER_FAILURE = 1.0
"""Seconds."""

Place = tuple[str, str]
"""(room, sender)."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """`times` it was asked for keys; `due`: when it is next, by the event loop's clock."""

    times: int
    due: float


class OwedKeys:
    def __init__(
        self,
        database: Database,
        encryptor: Encryptor,
        servers: OtherServers,
        *,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._database = database
        self._encryptor = encryptor
        self._servers = servers
        self._pauses = pauses
        self._back: set[str] = set()
        self._waiting: dict[Place, _Waiting] = {}
        self._wanted = asyncio.Event()
        servers.on_back(self._is_back)

    async def run(self) -> None:
        """Give what can be given, until cancelled. Who was away before we started is not known: all are tried first."""
        try_all = True
        while True:
            self._wanted.clear()
            try:
                await self.step(try_all=try_all)
                try_all = False
            except DatabaseError as trouble:
                log.warning("owed_keys_failed", reason=type(trouble).__qualname__)
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wanted.wait()

    async def step(self, *, try_all: bool = False) -> None:
        """Try once for every server that is back, or may be, and wherever it is time."""
        back, self._back = self._back, set()
        rows = await self._database.fetch(SELECT_OWED)
        due = self._due({(row["room_id"], row["sender"]) for row in rows})
        places: dict[str, list[Place]] = {}
        for row in rows:
            server, place = server_of(row["user_id"]), (row["room_id"], row["sender"])
            if try_all or place in due or server in back or self._servers.is_away(server):
                places.setdefault(server, []).append(place)
        await all_of(self._of_server(server, found) for server, found in places.items())

    def _due(self, owing: Collection[Place]) -> set[Place]:
        """Those of them that are to be tried now; those that owe nothing any more are forgotten."""
        now = asyncio.get_running_loop().time()
        self._waiting = {
            place: self._waiting.get(place) or _Waiting(0, now + self._pauses[0]) for place in owing
        }
        due = {place for place, waiting in self._waiting.items() if waiting.due <= now}
        for place in due:
            times = self._waiting[place].times + 1
            self._waiting[place] = _Waiting(times, now + self._pauses[min(times, len(self._pauses) - 1)])
        return due

    def _is_back(self, server: str) -> None:
        self._back.add(server)
        self._wanted.set()

    async def _of_server(self, server: str, places: Sequence[Place]) -> None:
        for room_id, sender in dict.fromkeys(places):
            try:
                await self._encryptor.make_up(room_id, sender)
            except (HomeserverUnavailable, HomeserverRefused) as trouble:
                log.warning("owed_keys_failed", room=room_id, sender=sender, reason=str(trouble))
                self._back.add(server)  # at the next look
            except RoomGone:
                log.info("owed_key_of_former_room", room=room_id, sender=sender)
            if self._servers.is_away(server):
                return  # the others would hear the same
