"""Gap repair: events that the homeserver has but never delivered, because it died at the wrong moment, and their order.

A second `/sync` of the bot, with a position of its own, feeds the same inbox; `event_id` tells what is new. It names no
device, so it neither gets nor acknowledges to-device messages. In a steady state it finds nothing. Receipts, which
homeservers deliver at most once, come along: how far somebody has read only ever grows, so one too many does no harm.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from prometheus_client import Counter

from appservice.continuity import Continuity
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.inbound.lanes import PREFIX
from appservice.inbound.waiting import inbox_id
from appservice.transactions import HomeserverSide, parse
from bridge.core.ids import new_id
from bridge.delivery.inbox import Inbox
from bridge.storage.database import Database, DatabaseError, Transaction
from bridge.storage.leader import Guard, unguarded

FILTER: dict[str, Any] = {
    "room": {
        "timeline": {"limit": 50, "lazy_load_members": True},
        "state": {"types": []},
        "ephemeral": {"types": ["m.receipt"]},
        "account_data": {"types": []},
    },
    "presence": {"types": []},
    "account_data": {"types": []},
}
EVERY = 180.0
AGAIN = (1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 8.0, 10.0)
"""Seconds between the looks after one that settled a doubt: Synapse leaves unsent what it makes while it recovers."""
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

REPAIRED = Counter("festimo_events_repaired", "Events that the homeserver has and had never delivered")


class Repair:
    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        homeserver_side: HomeserverSide,
        inbox: Inbox,
        continuity: Continuity,
        *,
        bot: str,
        guard: Guard = unguarded,
        on_ephemeral: Callable[[Sequence[Any]], None] = lambda events: None,
    ) -> None:
        """`on_ephemeral` is called with receipts, which may have been delivered before."""
        self._database = database
        self._homeserver = homeserver
        self._homeserver_side = homeserver_side
        self._inbox = inbox
        self._continuity = continuity
        self._bot = bot
        self._guard = guard
        self._on_ephemeral = on_ephemeral

    async def run(self) -> None:
        """Look at once, in doubt, a few times after it, and every few minutes, until cancelled."""
        waits, failed = iter(AGAIN), False
        while True:
            doubts = self._continuity.doubts
            try:
                await self.step()
            except HomeserverRefused as refusal:
                # Whom it refuses what it has, nobody can tell what has not come: better late than never.
                log.error("repair_refused", errcode=refusal.errcode)
                self._continuity.settle(doubts)
            except (HomeserverUnavailable, DatabaseError) as trouble:
                if not failed:
                    log.warning("repair_failed", reason=type(trouble).__qualname__)
                failed = True
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                continue
            failed = False
            if await self._continuity.doubted(within=next(waits, EVERY)):
                waits = iter(AGAIN)

    async def step(self) -> int:
        """Take in what is new since the last time, in the homeserver's order, which settles any doubt about it.

        Return how many events had never been delivered.
        """
        doubts = self._continuity.doubts
        key = f"repair:{self._bot}"
        since = await self._database.fetch_value(SELECT_POSITION, key)
        looked_at = await self._inbox.newest(self._database)
        answer = await self._homeserver.sync(self._bot, None, since=since, filter_=_filter(), wait=0)
        rooms: dict[str, list[dict[str, Any]]] = {}
        receipts: list[dict[str, Any]] = []
        for room_id, room in answer.get("rooms", {}).get("join", {}).items():
            timeline = room.get("timeline", {})
            missed: list[dict[str, Any]] = []
            if timeline.get("limited") and since is not None:
                missed = await self._page_back(room_id, timeline.get("prev_batch"), since)
            receipts += [
                event | {"room_id": room_id} for event in room.get("ephemeral", {}).get("events", [])
            ]
            rooms[room_id] = [
                event | {"room_id": room_id} for event in (*missed, *timeline.get("events", []))
            ]
        repaired = 0
        async with self._continuity.turn, self._database.transaction() as tx:
            for room_id, events in rooms.items():
                repaired += await self._take(tx, room_id, events, looked_at)
            await tx.execute(PUT_POSITION, key, answer["next_batch"])
            await self._guard(tx)
        if receipts:
            self._on_ephemeral(receipts)
        if repaired:
            REPAIRED.inc(repaired)
            log.warning("events_repaired", count=repaired)
        self._continuity.settle(doubts)
        return repaired

    async def _take(self, tx: Transaction, room_id: str, events: list[dict[str, Any]], looked_at: int) -> int:
        parsed = parse(json.dumps({"events": events}).encode())
        ids = [inbox_id(event.event_id) for event in parsed.events]
        new = await self._homeserver_side.keep(tx, parsed)
        # Delivered in another order, too: the oldest first although none is new.
        await self._inbox.arrange(tx, PREFIX + room_id, ids, looked_at=looked_at)
        return new

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


def _filter() -> dict[str, Any]:
    """Excludes nothing, but is asked once only: Synapse answers a question of the last two minutes as it did then, and
    who could not keep the answer asks again, as does a database that was put back to an older copy."""
    return FILTER | {"room": FILTER["room"] | {"not_rooms": [f"!{new_id()}:repair.invalid"]}}
