"""After a restore: which of the waiting items the rooms have already, by the transaction ids they were sent with."""

from collections import defaultdict
from datetime import timedelta

import structlog

from appservice.encryption.publication import DEVICE_NAME
from appservice.homeserver import Homeserver, HomeserverRefused
from appservice.own_account import OwnAccount
from appservice.room_map import Room, room_of
from bridge.core.ids import ConversationId
from bridge.storage.database import Database

GRACE = timedelta(hours=1) // timedelta(milliseconds=1)
"""The homeserver's clock is not ours."""

SELECT_WAITING = "SELECT id, lane, created_at FROM outbox WHERE state = 'waiting' ORDER BY seq"
SELECT_SPEAKERS = """
SELECT d.user_id, d.device_id FROM own_devices d JOIN room_members m ON m.user_id = d.user_id WHERE m.room_id = $1
"""
SELECT = "SELECT item_id, event_id FROM sent_before"
PUT = "INSERT INTO sent_before (item_id, event_id) VALUES ($1, $2) ON CONFLICT (item_id) DO NOTHING"
_LANE = "matrix:"

log = structlog.get_logger(__name__)


class SentBefore:
    def __init__(self, database: Database, homeserver: Homeserver) -> None:
        self._database = database
        self._homeserver = homeserver
        self._found: dict[str, str] = {}

    async def load(self) -> None:
        self._found = {row["item_id"]: row["event_id"] for row in await self._database.fetch(SELECT)}

    def event_id(self, item_id: str) -> str | None:
        return self._found.get(item_id)

    async def recollect(self) -> None:
        """Ask while our devices are those of the copy: the homeserver tells transaction ids to who has sent them."""
        waiting: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for row in await self._database.fetch(SELECT_WAITING):
            if row["lane"].startswith(_LANE):
                waiting[row["lane"].removeprefix(_LANE)].append((row["id"], row["created_at"]))
        for conversation_id, items in waiting.items():
            room = await room_of(self._database, ConversationId(conversation_id))
            if room is None:
                continue
            since = min(created_at for _, created_at in items) - GRACE
            for speaker in await self._database.fetch(SELECT_SPEAKERS, room.room_id):
                sent = await self._sent(speaker["user_id"], speaker["device_id"], room, since=since)
                await self._note({item: sent[item] for item, _ in items if item in sent})
        await self.load()

    async def _note(self, found: dict[str, str]) -> None:
        if not found:
            return
        log.warning("sent_before_restore", count=len(found))
        async with self._database.transaction() as tx:
            for item_id, event_id in found.items():
                await tx.execute(PUT, item_id, event_id)

    async def _sent(self, user_id: str, device_id: str, room: Room, *, since: int) -> dict[str, str]:
        """Transaction id -> event id."""
        account, before = OwnAccount(self._homeserver, user_id), None
        sent: dict[str, str] = {}
        while True:
            try:
                page = await account.said_with(device_id, room.room_id, before=before)
            except HomeserverRefused as refusal:
                if refusal.errcode == "M_UNKNOWN_DEVICE":  # for as long as we ask
                    await self._homeserver.create_device(user_id, device_id, DEVICE_NAME)
                    continue
                if refusal.status == 403:
                    return sent
                raise
            events = [event for event in page.get("chunk", []) if isinstance(event, dict)]
            for event in events:
                transaction_id = (event.get("unsigned") or {}).get("transaction_id")
                if transaction_id is not None and event.get("sender") == user_id:
                    sent[str(transaction_id)] = str(event["event_id"])
            before = page.get("end")
            if before is None or not events or events[-1].get("origin_server_ts", 0) < since:
                return sent
