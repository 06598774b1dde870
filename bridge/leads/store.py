"""Leads in the database; what somebody wants is sealed. What a lead has come to is read off its conversation."""

from dataclasses import dataclass

from bridge.conversations.member_store import IS_IN
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, LeadId, MessageId, ParticipantId, TenantId, VendorId
from bridge.leads.model import Lead, Status
from bridge.messages.store import SET_LEAD, lead_of
from bridge.storage.arguments import Arguments
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer

INSERT = """
INSERT INTO leads (tenant_id, lead_id, conversation_id, vendor_id, host_id, service_type, title, message_id,
    created_at, updated_at, told_status) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
"""
SAVE = """
UPDATE leads SET service_type = $3, title = $4, declared = $5, updated_at = $6 WHERE tenant_id = $1 AND lead_id = $2
"""
# What the vendor said since, for this lead or for none.
_ANSWERED = f"""EXISTS (SELECT 1 FROM messages m JOIN messages o ON o.message_id = l.message_id
    WHERE m.conversation_id = l.conversation_id AND m.position > o.position AND m.sender_type = 'vendor'
        AND m.deleted_at IS NULL AND COALESCE({lead_of("m")}, l.lead_id) = l.lead_id)"""
# Not what was booked before, whatever is paid or changed of it now.
_BOOKED = """EXISTS (SELECT 1 FROM bookings b WHERE b.conversation_id = l.conversation_id
    AND b.booked_at >= l.created_at)"""
_STATUS = f"""CASE WHEN l.declared IS NOT NULL THEN l.declared WHEN {_BOOKED} THEN 'won'
    WHEN c.deleted_at IS NOT NULL OR c.closed_at IS NOT NULL OR c.status = 'blocked' THEN 'lost'
    WHEN {_ANSWERED} THEN 'answered' ELSE 'new' END"""
_LEADS = f"""
SELECT l.tenant_id, l.lead_id, l.conversation_id, l.vendor_id, l.host_id, l.service_type, l.title, l.message_id,
    l.declared, l.created_at, l.updated_at, {_STATUS} AS status
FROM leads l JOIN conversations c ON c.conversation_id = l.conversation_id
"""
SELECT = f"{_LEADS} WHERE l.tenant_id = $1 AND l.lead_id = $2"
_OF_MEMBER = f"""l.conversation_id IN (SELECT conversation_id FROM conversation_members
    WHERE tenant_id = $1 AND participant_id = {{person}} AND {IS_IN}) AND c.deleted_at IS NULL"""
LOCK_OF_CONVERSATION = "SELECT lead_id FROM leads WHERE conversation_id = $1 ORDER BY lead_id FOR UPDATE"
SELECT_MOVED = f"""
SELECT l.lead_id, l.told_status, {_STATUS} AS status
FROM leads l JOIN conversations c ON c.conversation_id = l.conversation_id WHERE l.conversation_id = $1
ORDER BY l.lead_id
"""
SET_TOLD = "UPDATE leads SET told_status = $3 WHERE tenant_id = $1 AND lead_id = $2"
IS_OF = "SELECT 1 FROM leads WHERE tenant_id = $1 AND lead_id = $2 AND conversation_id = $3"
SELECT_LINK = "SELECT lead_id FROM messages WHERE message_id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which leads of a tenant; None lets all through. `member`: of conversations in which they take part."""

    status: Status | None = None
    vendor_id: VendorId | None = None
    host_id: ParticipantId | None = None
    conversation_id: ConversationId | None = None
    member: ParticipantId | None = None


class LeadStore:
    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def insert(self, tx: Transaction, lead: Lead) -> None:
        await tx.execute(
            INSERT,
            lead.tenant_id,
            lead.lead_id,
            lead.conversation_id,
            lead.vendor_id,
            lead.host_id,
            lead.service_type,
            await self._sealed(tx, lead),
            lead.message_id,
            lead.created_at,
            lead.status,
        )

    async def save(self, tx: Transaction, lead: Lead) -> None:
        """What may change of it."""
        await tx.execute(
            SAVE,
            lead.tenant_id,
            lead.lead_id,
            lead.service_type,
            await self._sealed(tx, lead),
            lead.declared,
            self._clock.now(),
        )

    async def get(self, reader: Reader, tenant_id: TenantId, lead_id: LeadId) -> Lead | None:
        row = await reader.fetch_one(SELECT, tenant_id, lead_id)
        return None if row is None else await self._lead(reader, row)

    async def moved(
        self, tx: Transaction, tenant_id: TenantId, conversation_id: ConversationId
    ) -> list[LeadId]:
        """The leads of this conversation that have come to something else than was told last. It is told now."""
        if not await tx.fetch(LOCK_OF_CONVERSATION, conversation_id):
            return []
        moved = []
        for row in await tx.fetch(SELECT_MOVED, conversation_id):
            if row["status"] == row["told_status"]:
                continue
            await tx.execute(SET_TOLD, tenant_id, row["lead_id"], row["status"])
            if row["told_status"] is not None:
                moved.append(LeadId(row["lead_id"]))
        return moved

    async def newest(
        self,
        reader: Reader,
        tenant_id: TenantId,
        wanted: Filter,
        *,
        before: tuple[int, str] | None,
        limit: int,
    ) -> list[Lead]:
        """`before`: when the last one seen came, and its id."""
        args = Arguments(tenant_id, limit)
        conditions = ["l.tenant_id = $1"]
        for column in ("vendor_id", "host_id", "conversation_id"):
            value = getattr(wanted, column)
            if value is not None:
                conditions.append(f"l.{column} = {args.place(value)}")
        if wanted.status is not None:
            conditions.append(f"{_STATUS} = {args.place(wanted.status)}")
        if wanted.member is not None:
            conditions.append(_OF_MEMBER.format(person=args.place(wanted.member)))
        if before is not None:
            conditions.append(f"(l.created_at, l.lead_id) < ({args.place(*before)})")
        sql = f"{_LEADS} WHERE {' AND '.join(conditions)} ORDER BY l.created_at DESC, l.lead_id DESC LIMIT $2"
        return [await self._lead(reader, row) for row in await reader.fetch(sql, *args.values)]

    async def is_of(
        self, reader: Reader, tenant_id: TenantId, lead_id: LeadId, conversation_id: ConversationId
    ) -> bool:
        """Whether it is a lead of this conversation."""
        return await reader.fetch_value(IS_OF, tenant_id, lead_id, conversation_id) is not None

    async def link(self, tx: Transaction, message_id: MessageId, lead_id: LeadId | None) -> None:
        await tx.execute(SET_LEAD, message_id, lead_id)

    async def lead_of(self, reader: Reader, message_id: MessageId) -> LeadId | None:
        found = await reader.fetch_value(SELECT_LINK, message_id)
        return None if found is None else LeadId(found)

    async def _sealed(self, tx: Transaction, lead: Lead) -> bytes:
        return await self._sealer.seal(
            tx,
            lead.tenant_id,
            f"conversation:{lead.conversation_id}",
            lead.title.encode(),
            place=_place(lead.tenant_id, lead.lead_id),
        )

    async def _lead(self, reader: Reader, row: Row) -> Lead:
        place = _place(row["tenant_id"], row["lead_id"])
        return Lead(
            tenant_id=TenantId(row["tenant_id"]),
            lead_id=LeadId(row["lead_id"]),
            conversation_id=ConversationId(row["conversation_id"]),
            vendor_id=VendorId(row["vendor_id"]),
            host_id=ParticipantId(row["host_id"]),
            title=(await self._sealer.open(reader, row["title"], place=place)).decode(),
            service_type=row["service_type"],
            message_id=MessageId(row["message_id"]),
            status=row["status"],
            declared=row["declared"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


def _place(tenant_id: str, lead_id: str) -> str:
    return f"leads.title:{tenant_id}/{lead_id}"
