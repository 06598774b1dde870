"""After an outage of the database, or whatever else kept a transaction from being taken: the homeserver is asked to
deliver at once.

By itself it would try again after ever longer pauses, of up to 512 s.
"""

import asyncio

import structlog

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from bridge.core.ids import new_id
from bridge.storage.database import Database, DatabaseError
from bridge.storage.probe import check_writable

PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds. The pause doubles while transactions are refused for another reason than the database."""

log = structlog.get_logger(__name__)


class Resume:
    def __init__(self, database: Database, homeserver: Homeserver, *, appservice_id: str) -> None:
        self._database = database
        self._homeserver = homeserver
        self._appservice_id = appservice_id
        self._refused = asyncio.Event()

    def refused(self) -> None:
        """A transaction was not taken, or nobody knows whether it was."""
        self._refused.set()

    def trouble(self) -> str | None:
        """What keeps the homeserver from delivering, or None."""
        if self._refused.is_set():
            return "a transaction of the homeserver was not taken: see transaction_not_kept in the log"
        return None

    async def run(self) -> None:
        """Whenever transactions were refused, wait for the database, then ping; until cancelled."""
        pause = PAUSE
        while True:
            await self._refused.wait()
            await self._until_writable()
            self._refused.clear()
            try:
                await self._homeserver.ping(self._appservice_id, new_id())
            except (HomeserverUnavailable, HomeserverRefused) as trouble:
                log.warning("ping_failed", reason=str(trouble))
                self._refused.set()
            else:
                log.info("delivery_resumes")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE) if self._refused.is_set() else PAUSE

    async def _until_writable(self) -> None:
        while True:
            try:
                await check_writable(self._database)
            except DatabaseError:
                await asyncio.sleep(PAUSE)
            else:
                return
