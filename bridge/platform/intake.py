"""Keeps accepted events in the inbox, each once."""

import hashlib
import json
from collections.abc import Sequence

from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted, Inbox
from bridge.platform.parse import KNOWN_TYPES
from bridge.platform.ports import Incoming
from bridge.platform.store import EventStore
from bridge.storage.database import Database, Transaction

TOPIC = "platform.event"
REFUSED = "platform.refused"
"""Nobody handles it: what was refused is for a person to see."""


class InboxIntake:
    """Keeps what the edge accepted in the inbox; the edge's `Intake`."""

    def __init__(self, database: Database, inbox: Inbox) -> None:
        self._database = database
        self._inbox = inbox
        self._events = EventStore()

    async def accept(self, tenant_id: TenantId, events: Sequence[Incoming]) -> list[Accepted]:
        async with self._database.transaction() as tx:
            if len(events) > 1:
                # Two that bring the same events in another order would wait for each other.
                await tx.lock(f"events of {tenant_id}")
            return [await self._accept(tx, tenant_id, event) for event in events]

    async def refuse(self, tenant_id: TenantId, body: bytes, *, reason: str) -> None:
        """Keep what is no event, of a sender to whom nobody can say so. The same again is kept once."""
        digest = hashlib.sha256(json.dumps([tenant_id]).encode() + body).hexdigest()
        async with self._database.transaction() as tx:
            await self._inbox.add_dead(
                tx,
                item_id=f"refused:{digest}",
                tenant_id=tenant_id,
                lane=f"platform:{tenant_id}:refused",
                topic=REFUSED,
                body=body,
                failure=reason,
            )

    async def _accept(self, tx: Transaction, tenant_id: TenantId, event: Incoming) -> Accepted:
        item_id = item_id_of(tenant_id, event.source, event.event_id)
        accepted = await self._inbox.add(
            tx,
            item_id=item_id,
            tenant_id=tenant_id,
            lane=event.lane,
            topic=TOPIC,
            body=event.body,
            meaning=_meaning(event.body),
        )
        if accepted is Accepted.NEW:
            await self._events.remember(
                tx,
                source=event.source,
                event_id=event.event_id,
                event_type=event.event_type,
                known=event.event_type in KNOWN_TYPES,
                item_id=item_id,
            )
        return accepted


def item_id_of(tenant_id: TenantId, source: str, event_id: str) -> str:
    """A hash: sources and ids may hold any separator, and be longer than what a database can index."""
    identity = json.dumps([tenant_id, source, event_id]).encode()
    return f"platform:{hashlib.sha256(identity).hexdigest()}"


def _meaning(body: bytes) -> bytes:
    """The same for an event that was written down in another way, such as by another sender or in a batch."""
    return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
