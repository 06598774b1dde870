"""Keeps accepted events in the inbox, each once."""

import hashlib
import json

from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted, Inbox
from bridge.platform.parse import KNOWN_TYPES
from bridge.platform.store import EventStore
from bridge.storage.database import Database

TOPIC = "platform.event"


class InboxIntake:
    """Keeps what the edge accepted in the inbox; the edge's `Intake`."""

    def __init__(self, database: Database, inbox: Inbox) -> None:
        self._database = database
        self._inbox = inbox
        self._events = EventStore()

    async def accept(
        self, *, tenant_id: TenantId, source: str, event_id: str, event_type: str, lane: str, body: bytes
    ) -> Accepted:
        item_id = item_id_of(tenant_id, source, event_id)
        async with self._database.transaction() as tx:
            accepted = await self._inbox.add(
                tx, item_id=item_id, tenant_id=tenant_id, lane=lane, topic=TOPIC, body=body
            )
            if accepted is Accepted.NEW:
                await self._events.remember(
                    tx,
                    source=source,
                    event_id=event_id,
                    event_type=event_type,
                    known=event_type in KNOWN_TYPES,
                    item_id=item_id,
                )
            return accepted


def item_id_of(tenant_id: TenantId, source: str, event_id: str) -> str:
    """A hash: sources and ids may hold any separator, and be longer than what a database can index."""
    identity = json.dumps([tenant_id, source, event_id]).encode()
    return f"platform:{hashlib.sha256(identity).hexdigest()}"
