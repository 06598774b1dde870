"""A lock of a PostgreSQL session that has nothing else to do. The server frees it when the session ends."""

from typing import Any

import asyncpg

from bridge.storage.database import DatabaseUnavailable
from bridge.storage.postgres import CONNECT_SECONDS, KEEPALIVES, lock_number

SILENCE = 6_000
"""Milliseconds after which the server ends a session that says nothing: its process was frozen, or cut off."""
ANSWER_SECONDS = 3
IDLE_SESSION_TIMEOUT_SINCE = 14

_LOST = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # between the server's last words and the end of the connection
)
TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
STAY = "SELECT 1"


class SessionLock:
    """Needs a session of its own: no pooler that hands connections on between transactions."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._number = lock_number(name)
        self._connection: Any = None
        self._ours = False

    async def acquire(self) -> bool:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            self._ours = bool(await self._connection.fetchval(TRY_LOCK, self._number))
        except _LOST as error:
            self._hang_up()
            raise DatabaseUnavailable(f"PostgreSQL: {type(error).__name__}") from error
        return self._ours

    async def is_held(self) -> bool:
        """Asks the server, which also keeps the session from ending for its silence."""
        if not self._ours:
            return False
        try:
            await self._connection.fetchval(STAY)
        except _LOST:
            self._hang_up()
        return self._ours

    async def release(self) -> None:
        self._hang_up()

    async def _connect(self) -> Any:
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            command_timeout=ANSWER_SECONDS,
            server_settings={"application_name": "festimo-bridge leader", **KEEPALIVES},
        )
        if connection.get_server_version().major >= IDLE_SESSION_TIMEOUT_SINCE:
            await connection.execute(f"SET idle_session_timeout = {SILENCE}")
        return connection

    def _hang_up(self) -> None:
        self._ours = False
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
