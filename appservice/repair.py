"""Gap repair: events that the homeserver has but never delivered, because it died at the wrong moment.

A second `/sync` of the bot, with a position of its own, feeds the same inbox; `event_id` tells what is new. It names no
device, so it neither gets nor acknowledges to-device messages. In a steady state it finds nothing.
"""

import asyncio
import contextlib
import json
from typing import Any

import structlog

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.transactions import HomeserverSide, parse
from bridge.core.ids import new_id
from bridge.storage.database import Database, DatabaseError
from bridge.storage.leader import Guard, unguarded

FILTER: dict[str, Any] = {
    "room": {
        "timeline": {"limit": 50, "lazy_load_members": True},
        "state": {"types": []},
        "ephemeral": {"types": []},
        "account_data": {"types": []},
    },
    "presence": {"types": []},
    "account_data": {"types": []},
}
EVERY = 180.0
PAUSE_AFTER_FAILURE = 1.0
"""Seconds."""
MOST_PAGES = 50
"""Of 100 events, for one room's gap."""

SELECT_POSITION = "SELECT next_batch FROM sync_positions WHERE user_id = $1"
PUT_POSITION = """
INSERT INTO sync_positions (user_id, next_batch) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET next_batch = excluded.next_batch
"""

log = structlog.get_logger(__name__)


class Repair:
    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        homeserver_side: HomeserverSide,
        *,
        bot: str,
        guard: Guard = unguarded,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._homeserver_side = homeserver_side
        self._bot = bot
        self._guard = guard
        self._wanted = asyncio.Event()
        # Excludes nothing, but is this process's alone: Synapse answers a question of the last two minutes
        # as it did then, and a database that was put back to an older copy asks it again.
        self._filter = FILTER | {"room": FILTER["room"] | {"not_rooms": [f"!{new_id()}:repair.invalid"]}}

    def soon(self) -> None:
        """The homeserver was away: look as soon as possible."""
        self._wanted.set()

    async def run(self) -> None:
        """Look at once, whenever `soon` was called, and every few minutes, until cancelled."""
        while True:
            try:
                await self.step()
            except (HomeserverUnavailable, HomeserverRefused, DatabaseError) as trouble:
                log.warning("repair_failed", reason=type(trouble).__qualname__)
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), EVERY)
            self._wanted.clear()

    async def step(self) -> int:
        """Take in what is new since the last time; return how many events had never been delivered."""
        key = f"repair:{self._bot}"
        since = await self._database.fetch_value(SELECT_POSITION, key)
        answer = await self._homeserver.sync(self._bot, None, since=since, filter_=self._filter, wait=0)
        events: list[dict[str, Any]] = []
        for room_id, room in answer.get("rooms", {}).get("join", {}).items():
            timeline = room.get("timeline", {})
            missed: list[dict[str, Any]] = []
            if timeline.get("limited") and since is not None:
                missed = await self._page_back(room_id, timeline.get("prev_batch"), since)
            events += [event | {"room_id": room_id} for event in (*missed, *timeline.get("events", []))]
        parsed = parse(json.dumps({"events": events}).encode())
        async with self._database.transaction() as tx:
            repaired = await self._homeserver_side.keep(tx, parsed)
            await tx.execute(PUT_POSITION, key, answer["next_batch"])
            await self._guard(tx)
        if repaired:
            log.warning("events_repaired", count=repaired)
        return repaired

    async def _page_back(self, room_id: str, before: str | None, since: str) -> list[dict[str, Any]]:
        """What came between the last look and the part that /sync showed, oldest first.

        All of it: of what was said before an event that was delivered, not everything must have been.
        """
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            if before is None:
                break
            page = await self._homeserver.messages(self._bot, room_id, before=before, after=since)
            found += page["chunk"]
            before = page.get("end") if page["chunk"] else None
        return found[::-1]
