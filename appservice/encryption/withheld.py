"""Why somebody's device did not give us a room key, as it says itself: for the notice and the log, and nothing else.

Spec: client-server API, "Reporting that decryption keys are withheld". Anybody may claim any reason for what they said
themselves; their words are not kept, and neither is more than a bounded number of claims.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from appservice.encryption.inbound_sessions import is_session_id
from appservice.encryption.own_devices import MEGOLM
from bridge.core.clock import Clock
from bridge.storage.database import Reader, Transaction

CODES = ("m.blacklisted", "m.unverified", "m.unauthorised", "m.unavailable", "m.no_olm")
MOST_PER_SENDER = 100
"""In a room; a new one then replaces the oldest."""

IS_MEMBER = "SELECT 1 FROM room_members WHERE room_id = $1 AND user_id = $2"
PUT = """
INSERT INTO withheld_keys (room_id, session_id, sender, code, received_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (room_id, sender, session_id) DO UPDATE SET code = excluded.code, received_at = excluded.received_at
"""
SELECT = "SELECT code FROM withheld_keys WHERE room_id = $1 AND session_id = $2 AND sender = $3"
SELECT_SESSIONS = """
SELECT session_id FROM withheld_keys WHERE room_id = $1 AND sender = $2 ORDER BY received_at DESC, session_id
"""
DELETE = "DELETE FROM withheld_keys WHERE room_id = $1 AND session_id = $2 AND sender = $3"

log = structlog.get_logger(__name__)


class Withheld:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def receive(self, tx: Transaction, sender: str, content: Any) -> None:
        """Keep what an `m.room_key.withheld` says, if it is about a session in a room of ours and the sender's."""
        told = content if isinstance(content, Mapping) else {}
        room_id, session_id, code = told.get("room_id"), told.get("session_id"), told.get("code")
        if told.get("algorithm") != MEGOLM or code not in CODES or not is_session_id(session_id):
            return
        if not isinstance(room_id, str) or not room_id.isprintable():
            return
        if await tx.fetch_value(IS_MEMBER, room_id, sender) is None:
            return
        await tx.execute(PUT, room_id, session_id, sender, code, self._clock.now())
        kept = await tx.fetch(SELECT_SESSIONS, room_id, sender)
        for row in kept[MOST_PER_SENDER:]:
            await self.forget(tx, room_id, row["session_id"], sender)
        log.info("room_key_withheld", room=room_id, session=session_id, sender=sender, code=code)

    async def code(self, reader: Reader, room_id: str, session_id: str, sender: str) -> str | None:
        """One of `CODES`, or None where nothing was said."""
        code: str | None = await reader.fetch_value(SELECT, room_id, session_id, sender)
        return code

    async def forget(self, tx: Transaction, room_id: str, session_id: str, sender: str) -> None:
        await tx.execute(DELETE, room_id, session_id, sender)
