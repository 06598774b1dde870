"""Room keys for devices of servers that were away: given as soon as those are back, though nobody says anything.

Whoever else has no one-time key is asked for one before each message; asking more often would give nothing.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from appservice.encryption.other_servers import ASK_AGAIN_AFTER, OtherServers, all_of, server_of
from appservice.encryption.outbound_sessions import Encryptor
from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from bridge.storage.database import Database, DatabaseError

SELECT_OWED = """
SELECT s.room_id, s.sender, h.user_id FROM session_shares h
    CROSS JOIN outbound_sessions s CROSS JOIN devices d
WHERE h.ratchet IS NOT NULL AND s.session_id = h.session_id AND d.user_id = h.user_id AND d.device_id = h.device_id
    AND d.identity_key = h.identity_key AND d.removed = 0
UNION SELECT room_id, sender, user_id FROM owed_keys
ORDER BY 1, 2, 3
"""
PAUSE_AFTER_FAILURE = 1.0
"""Seconds."""

Place = tuple[str, str]
"""(room, sender)."""

log = structlog.get_logger(__name__)


class OwedKeys:
    def __init__(self, database: Database, encryptor: Encryptor, servers: OtherServers) -> None:
        self._database = database
        self._encryptor = encryptor
        self._servers = servers
        self._back: set[str] = set()
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
                async with asyncio.timeout(ASK_AGAIN_AFTER):
                    await self._wanted.wait()

    async def step(self, *, try_all: bool = False) -> None:
        """Try once for every server that is back, or may be."""
        back, self._back = self._back, set()
        places: dict[str, list[Place]] = {}
        for row in await self._database.fetch(SELECT_OWED):
            server = server_of(row["user_id"])
            if try_all or server in back or self._servers.is_away(server):
                places.setdefault(server, []).append((row["room_id"], row["sender"]))
        await all_of(self._of_server(server, found) for server, found in places.items())

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
            if self._servers.is_away(server):
                return  # the others would hear the same
