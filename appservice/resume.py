"""After an outage of the database: the homeserver, whose transactions were refused, is asked to deliver at once.

By itself it would try again after ever longer pauses, of up to 512 s.
"""

import asyncio

import structlog

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from bridge.core.ids import new_id
from bridge.storage.database import Database, DatabaseError
from bridge.storage.probe import check_writable

PAUSE = 0.5
"""Seconds."""

log = structlog.get_logger(__name__)


class Resume:
    def __init__(self, database: Database, homeserver: Homeserver, *, appservice_id: str) -> None:
        self._database = database
        self._homeserver = homeserver
        self._appservice_id = appservice_id
        self._refused = asyncio.Event()

    def refused(self) -> None:
        """A transaction was not taken, as the database could not be written."""
        self._refused.set()

    def trouble(self) -> str | None:
        """What keeps the homeserver from delivering, or None."""
        if self._refused.is_set():
            return "the homeserver's transactions are refused, as the database cannot be written"
        return None

    async def run(self) -> None:
        """Whenever transactions were refused, wait for the database, then ping; until cancelled."""
        while True:
            await self._refused.wait()
            await self._until_writable()
            self._refused.clear()
            try:
                await self._homeserver.ping(self._appservice_id, new_id())
                log.info("delivery_resumes")
            except (HomeserverUnavailable, HomeserverRefused) as trouble:
                log.warning("ping_failed", reason=str(trouble))
                await asyncio.sleep(PAUSE)
                self._refused.set()

    async def _until_writable(self) -> None:
        while True:
            try:
                await check_writable(self._database)
            except DatabaseError:
                await asyncio.sleep(PAUSE)
            else:
                return
