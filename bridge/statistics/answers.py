"""How fast vendors answer, kept up in the very transaction in which something is said or deleted.

An answer is what `rules.Tally` takes for one: a vendor's first message after one of the other side. So only what stands
between it and the vendor's message before counts, and a deletion changes at most the answer after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.clock import Clock
from bridge.core.events import Event
from bridge.core.ids import TenantId, VendorId
from bridge.delivery.outbox import Witness
from bridge.messages.events import MessageDeleted, MessagePosted, MessageReceived
from bridge.statistics.events import ResponseTimeChanged, VendorReplied
from bridge.storage.database import Reader, Transaction
from bridge.vendors.events import place_of
from bridge.vendors.rules import minutes, prompt_since

_BEFORE = """(SELECT v.position FROM messages v WHERE v.conversation_id = m.conversation_id AND v.position < m.position
    AND v.sender_type = 'vendor' AND v.deleted_at IS NULL ORDER BY v.position DESC LIMIT 1)"""
_ASKED = f"""(SELECT u.position FROM messages u WHERE u.conversation_id = m.conversation_id
    AND u.position > COALESCE({_BEFORE}, 0) AND u.position < m.position AND u.sender_type = 'user'
    AND u.deleted_at IS NULL ORDER BY u.position LIMIT 1)"""
# What a client says was said earlier can stand behind what it answers.
ADD = f"""
INSERT INTO vendor_answers (position, tenant_id, vendor_id, answered_at, took)
SELECT m.position, m.tenant_id, c.vendor_id, m.created_at,
    CASE WHEN m.created_at > asked.created_at THEN m.created_at - asked.created_at ELSE 0 END
FROM messages m JOIN conversations c ON c.conversation_id = m.conversation_id
JOIN messages asked ON asked.position = {_ASKED}
WHERE m.message_id = $1 AND m.sender_type = 'vendor' AND m.deleted_at IS NULL AND c.vendor_id IS NOT NULL
ON CONFLICT (position) DO NOTHING RETURNING vendor_id, took
"""
SELECT_AFTER = """
SELECT m.position, c.vendor_id, n.position AS next_position, n.message_id AS next_id FROM messages m
JOIN conversations c ON c.conversation_id = m.conversation_id
LEFT JOIN messages n ON n.position = (
    SELECT v.position FROM messages v WHERE v.conversation_id = m.conversation_id AND v.position > m.position
        AND v.sender_type = 'vendor' AND v.deleted_at IS NULL ORDER BY v.position LIMIT 1
) WHERE m.message_id = $1
"""
REMOVE = "DELETE FROM vendor_answers WHERE position = $1"
_AVERAGES = """
SELECT vendor_id, CAST(SUM(took) AS BIGINT) AS total, COUNT(*) AS answers FROM vendor_answers
WHERE tenant_id = $1 AND answered_at >= $2 AND vendor_id IN ({places}) GROUP BY vendor_id
"""


@dataclass(frozen=True, slots=True)
class _Times:
    """`total`: in ms."""

    total: int
    count: int

    @property
    def shown(self) -> float | None:
        return minutes(self.total / self.count) if self.count else None


class VendorAnswers:
    """A witness of what is recorded, and the vendors' port."""

    def __init__(self, clock: Clock, tell: Witness | None = None) -> None:
        """`tell`: is told of each answer, and of what it makes of the average, in the transaction in which it is
        given."""
        self._clock = clock
        self._tell = tell

    async def heard(self, tx: Transaction, event: Event) -> None:
        match event:
            case MessagePosted() | MessageReceived():
                await self._said(tx, event)
            case MessageDeleted():
                await self._deleted(tx, event)

    async def averages(
        self, reader: Reader, tenant_id: TenantId, vendor_ids: Sequence[VendorId], *, since: int
    ) -> dict[VendorId, float]:
        if not vendor_ids:
            return {}
        places = ", ".join(f"${number}" for number in range(3, len(vendor_ids) + 3))
        rows = await reader.fetch(_AVERAGES.format(places=places), tenant_id, since, *vendor_ids)
        return {VendorId(row["vendor_id"]): row["total"] / row["answers"] for row in rows}

    async def _said(self, tx: Transaction, event: MessagePosted | MessageReceived) -> None:
        added = await tx.fetch_one(ADD, event.message_id)
        if added is None or self._tell is None:
            return
        vendor_id = VendorId(added["vendor_id"])
        replied = VendorReplied(
            tenant_id=event.tenant_id,
            conversation_id=event.conversation_id,
            message_id=event.message_id,
            vendor_id=vendor_id,
        )
        await self._tell(tx, replied)
        after = await self._times(tx, event.tenant_id, vendor_id)
        before = _Times(after.total - added["took"], after.count - 1)
        await self._compare(tx, event.tenant_id, vendor_id, before=before, after=after)

    async def _deleted(self, tx: Transaction, event: MessageDeleted) -> None:
        row = await tx.fetch_one(SELECT_AFTER, event.message_id)
        assert row is not None, "messages are not removed"
        if row["vendor_id"] is None:
            return
        tenant_id, vendor_id = event.tenant_id, VendorId(row["vendor_id"])
        before = await self._times(tx, tenant_id, vendor_id)
        await tx.execute(REMOVE, row["position"])
        if row["next_position"] is not None:
            await tx.execute(REMOVE, row["next_position"])
            await tx.fetch(ADD, row["next_id"])
        after = await self._times(tx, tenant_id, vendor_id)
        await self._compare(tx, tenant_id, vendor_id, before=before, after=after)

    async def _times(self, reader: Reader, tenant_id: TenantId, vendor_id: VendorId) -> _Times:
        since = prompt_since(self._clock.now())
        row = await reader.fetch_one(_AVERAGES.format(places="$3"), tenant_id, since, vendor_id)
        return _Times(0, 0) if row is None else _Times(row["total"], row["answers"])

    async def _compare(
        self, tx: Transaction, tenant_id: TenantId, vendor_id: VendorId, *, before: _Times, after: _Times
    ) -> None:
        if self._tell is None or before.shown == after.shown:
            return
        changed = ResponseTimeChanged(
            tenant_id=tenant_id, conversation_id=place_of(tenant_id, vendor_id), vendor_id=vendor_id
        )
        await self._tell(tx, changed)
