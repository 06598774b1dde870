"""Messages that are said later, in the database; what they will say is sealed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bridge.conversations.member_store import not_deleted
from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.messages.held import held_in, sealed_as
from bridge.messages.labels.model import labels_in
from bridge.messages.scheduled.model import OPEN, Draft, Scheduled, Status
from bridge.storage.arguments import Arguments
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer

_COLUMNS = """position, scheduled_id, tenant_id, conversation_id, sender_id, content, send_at, status, failure_reason,
    created_at, updated_at"""
INSERT = """
INSERT INTO scheduled_messages (scheduled_id, tenant_id, conversation_id, sender_id, content, send_at, status,
    created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 'scheduled', $7, $7)
"""
_IS_SHOWN = not_deleted("scheduled_messages")
FIND = f"SELECT {_COLUMNS} FROM scheduled_messages WHERE tenant_id = $1 AND scheduled_id = $2 AND {_IS_SHOWN}"
SELECT_TO_CHANGE = f"SELECT {_COLUMNS} FROM scheduled_messages WHERE scheduled_id = $1 FOR UPDATE"
SELECT_NEXT = """
SELECT scheduled_id, send_at FROM scheduled_messages WHERE status = 'scheduled' ORDER BY send_at, position LIMIT 1
"""
CHANGE = """
UPDATE scheduled_messages SET content = $2, send_at = $3, status = 'scheduled', failure_reason = NULL, updated_at = $4
WHERE scheduled_id = $1
"""
END = """
UPDATE scheduled_messages SET content = NULL, status = $2, failure_reason = NULL, updated_at = $3
WHERE scheduled_id = $1
"""
FAIL = """
UPDATE scheduled_messages SET status = 'failed', failure_reason = $2, updated_at = $3
WHERE scheduled_id = $1 AND status = 'scheduled' RETURNING tenant_id, conversation_id, sender_id
"""
COUNT_OPEN = f"""
SELECT COUNT(*) FROM scheduled_messages
WHERE tenant_id = $1 AND sender_id = $2 AND status IN ('scheduled', 'failed') AND {_IS_SHOWN}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """None lets all through; but without a `status`, only what can still be changed."""

    tenant_id: TenantId
    sender_id: ParticipantId | None = None
    conversation_id: ConversationId | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Whose:
    tenant_id: TenantId
    conversation_id: ConversationId
    sender_id: ParticipantId


@dataclass(frozen=True, slots=True)
class Next:
    scheduled_id: MessageId
    send_at: int


class ScheduledStore:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def insert(
        self,
        tx: Transaction,
        *,
        scheduled_id: MessageId,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        sender_id: ParticipantId,
        draft: Draft,
        send_at: int,
        now: int,
    ) -> None:
        content = await self._seal(tx, tenant_id, conversation_id, scheduled_id, draft)
        await tx.execute(INSERT, scheduled_id, tenant_id, conversation_id, sender_id, content, send_at, now)

    async def find(self, reader: Reader, tenant_id: TenantId, scheduled_id: MessageId) -> Scheduled | None:
        """None where it is another tenant's, or its conversation is deleted, too."""
        row = await reader.fetch_one(FIND, tenant_id, scheduled_id)
        return None if row is None else await self._scheduled(reader, row)

    async def to_change(self, tx: Transaction, scheduled_id: MessageId) -> Scheduled | None:
        """As it is, and stays until this transaction ends."""
        row = await tx.fetch_one(SELECT_TO_CHANGE, scheduled_id)
        return None if row is None else await self._scheduled(tx, row)

    async def next(self, reader: Reader) -> Next | None:
        """Which is to be sent first, of all tenants."""
        row = await reader.fetch_one(SELECT_NEXT)
        return None if row is None else Next(MessageId(row["scheduled_id"]), row["send_at"])

    async def change(self, tx: Transaction, one: Scheduled, *, draft: Draft, send_at: int, now: int) -> None:
        content = await self._seal(tx, one.tenant_id, one.conversation_id, one.scheduled_id, draft)
        await tx.execute(CHANGE, one.scheduled_id, content, send_at, now)

    async def end(self, tx: Transaction, scheduled_id: MessageId, status: Status, *, now: int) -> None:
        """It is over: what it says is forgotten here."""
        await tx.execute(END, scheduled_id, status, now)

    async def fail(self, tx: Transaction, scheduled_id: MessageId, *, reason: str, now: int) -> Whose | None:
        """Return whose it was; None where it is not scheduled any more."""
        row = await tx.fetch_one(FAIL, scheduled_id, reason, now)
        if row is None:
            return None
        return Whose(
            TenantId(row["tenant_id"]),
            ConversationId(row["conversation_id"]),
            ParticipantId(row["sender_id"]),
        )

    async def how_many_open(self, reader: Reader, tenant_id: TenantId, sender_id: ParticipantId) -> int:
        return int(await reader.fetch_value(COUNT_OPEN, tenant_id, sender_id))

    async def listed(
        self, reader: Reader, wanted: Filter, *, after: tuple[int, int] | None, limit: int
    ) -> list[Scheduled]:
        """What is sent first, first. `after`: `send_at` and position of the last one seen."""
        args = Arguments(wanted.tenant_id, limit)
        conditions = ["tenant_id = $1", _IS_SHOWN]
        for column in ("sender_id", "conversation_id"):
            value = getattr(wanted, column)
            if value is not None:
                conditions.append(f"{column} = {args.place(value)}")
        statuses = OPEN if wanted.status is None else (wanted.status,)
        conditions.append(f"status IN ({args.place(*statuses)})")
        if after is not None:
            conditions.append(f"(send_at, position) > ({args.place(*after)})")
        sql = (
            f"SELECT {_COLUMNS} FROM scheduled_messages WHERE {' AND '.join(conditions)}"
            " ORDER BY send_at, position LIMIT $2"
        )
        return [await self._scheduled(reader, row) for row in await reader.fetch(sql, *args.values)]

    async def _seal(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        scheduled_id: MessageId,
        draft: Draft,
    ) -> bytes:
        held = {} if draft.held is None else sealed_as(draft.held)
        content = json.dumps({**asdict(draft), "held": held}).encode()
        scope = f"conversation:{conversation_id}"
        return await self._sealer.seal(tx, tenant_id, scope, content, place=_place(scheduled_id))

    async def _scheduled(self, reader: Reader, row: Row) -> Scheduled:
        scheduled_id = MessageId(row["scheduled_id"])
        draft = None
        if row["content"] is not None:
            draft = _draft(await self._sealer.open(reader, row["content"], place=_place(scheduled_id)))
        return Scheduled(
            position=row["position"],
            scheduled_id=scheduled_id,
            tenant_id=TenantId(row["tenant_id"]),
            conversation_id=ConversationId(row["conversation_id"]),
            sender_id=ParticipantId(row["sender_id"]),
            draft=draft,
            send_at=row["send_at"],
            status=row["status"],
            failure_reason=row["failure_reason"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


def _draft(content: bytes) -> Draft:
    said = json.loads(content)
    mentions: Sequence[str] = said.pop("mentions")
    labels = labels_in(said.pop("labels", {}))
    held = held_in(said.pop("held", {}))
    return Draft(**said, mentions=tuple(ParticipantId(one) for one in mentions), labels=labels, held=held)


def _place(scheduled_id: MessageId) -> str:
    return f"scheduled_messages.content:{scheduled_id}"
