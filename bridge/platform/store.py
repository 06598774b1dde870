"""Which events came, and what became of each: that is told by the inbox item that holds it."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import TenantId
from bridge.storage.database import Reader, Transaction

Status = Literal["accepted", "applied", "failed", "kept_unknown_type"]

# Received when its inbox item was made, in this very transaction.
INSERT = """
INSERT INTO platform_events (tenant_id, source, event_id, type, known, item_id, received_at)
SELECT tenant_id, $1, $2, $3, $4, id, created_at FROM inbox WHERE id = $5
"""
SELECT = """
SELECT e.source, e.event_id, e.type, e.known, e.received_at, i.state, i.failure, i.finished_at
FROM platform_events e LEFT JOIN inbox i ON i.id = e.item_id
WHERE e.tenant_id = $1 AND e.source = $2 AND e.event_id = $3
"""
_STATUS_BY_STATE: dict[str | None, Status] = {"done": "applied", "dead": "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventState:
    source: str
    event_id: str
    type: str
    status: Status
    failure: str | None
    received_at: int
    finished_at: int | None


class EventStore:
    async def remember(
        self, tx: Transaction, *, source: str, event_id: str, event_type: str, known: bool, item_id: str
    ) -> None:
        """Call it once the event is in the inbox."""
        await tx.execute(INSERT, source, event_id, event_type, int(known), item_id)

    async def find(
        self, reader: Reader, tenant_id: TenantId, *, source: str, event_id: str
    ) -> EventState | None:
        row = await reader.fetch_one(SELECT, tenant_id, source, event_id)
        if row is None:
            return None
        status = _STATUS_BY_STATE.get(row["state"], "accepted") if row["known"] else "kept_unknown_type"
        return EventState(
            source=row["source"],
            event_id=row["event_id"],
            type=row["type"],
            status=status,
            failure=row["failure"] if status == "failed" else None,
            received_at=row["received_at"],
            finished_at=row["finished_at"],
        )
