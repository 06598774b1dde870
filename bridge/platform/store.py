"""Which events came, and what became of each: that is told by the inbox item that holds it."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import TenantId
from bridge.storage.arguments import Arguments
from bridge.storage.database import Reader, Row, Transaction

Status = Literal["accepted", "applied", "without_effect", "failed", "kept_unknown_type"]

# Received when its inbox item was made, in this very transaction.
INSERT = """
INSERT INTO platform_events (tenant_id, source, event_id, type, known, item_id, received_at)
SELECT tenant_id, $1, $2, $3, $4, id, created_at FROM inbox WHERE id = $5
"""
_STATUS = """CASE WHEN i.state = 'done' AND i.failure IS NOT NULL THEN 'without_effect'
    WHEN i.state = 'done' THEN 'applied' WHEN e.known = 0 THEN 'kept_unknown_type'
    WHEN i.state = 'dead' THEN 'failed' ELSE 'accepted' END"""
_EVENTS = f"""
SELECT e.source, e.event_id, e.type, e.item_id, e.received_at, {_STATUS} AS status, i.failure, i.finished_at
FROM platform_events e LEFT JOIN inbox i ON i.id = e.item_id
"""
SELECT = f"{_EVENTS} WHERE e.tenant_id = $1 AND e.source = $2 AND e.event_id = $3"
SET_KNOWN = "UPDATE platform_events SET known = 1 WHERE tenant_id = $1 AND source = $2 AND event_id = $3"


@dataclass(frozen=True, slots=True)
class EventPlace:
    """Where an event stands in the list of all: by when it was received, in epoch ms."""

    received_at: int
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventState:
    source: str
    event_id: str
    type: str
    status: Status
    failure: str | None
    finished_at: int | None
    place: EventPlace


class EventStore:
    async def remember(
        self, tx: Transaction, *, source: str, event_id: str, event_type: str, known: bool, item_id: str
    ) -> None:
        """Call it once the event is in the inbox."""
        await tx.execute(INSERT, source, event_id, event_type, int(known), item_id)

    async def set_known(self, tx: Transaction, tenant_id: TenantId, *, source: str, event_id: str) -> None:
        """Its type was unknown when it came."""
        await tx.execute(SET_KNOWN, tenant_id, source, event_id)

    async def find(
        self, reader: Reader, tenant_id: TenantId, *, source: str, event_id: str
    ) -> EventState | None:
        row = await reader.fetch_one(SELECT, tenant_id, source, event_id)
        return None if row is None else _state(row)

    async def newest(
        self,
        reader: Reader,
        tenant_id: TenantId,
        *,
        status: Status | None,
        event_type: str | None,
        before: EventPlace | None,
        limit: int,
    ) -> list[EventState]:
        """What came last comes first; None of a filter lets all through."""
        args = Arguments(tenant_id, limit)
        conditions = ["e.tenant_id = $1"]
        for column, value in ((_STATUS, status), ("e.type", event_type)):
            if value is not None:
                conditions.append(f"{column} = {args.place(value)}")
        if before is not None:
            there = args.place(before.received_at, before.item_id)
            conditions.append(f"(e.received_at, e.item_id) < ({there})")
        sql = (
            f"{_EVENTS} WHERE {' AND '.join(conditions)} ORDER BY e.received_at DESC, e.item_id DESC LIMIT $2"
        )
        return [_state(row) for row in await reader.fetch(sql, *args.values)]


def _state(row: Row) -> EventState:
    return EventState(
        source=row["source"],
        event_id=row["event_id"],
        type=row["type"],
        status=row["status"],
        failure=row["failure"] if row["status"] in ("failed", "without_effect") else None,
        finished_at=row["finished_at"],
        place=EventPlace(row["received_at"], row["item_id"]),
    )
