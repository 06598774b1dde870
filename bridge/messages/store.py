"""Messages in the database; the text is sealed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.conversations.absence_store import was_ever_away
from bridge.conversations.absences import was_there
from bridge.conversations.model import Role
from bridge.conversations.ports import Figures, LastMessage
from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.messages.held import Held, held_in, sealed_as
from bridge.messages.hidden.store import not_hidden
from bridge.messages.labels.model import NONE, Labels
from bridge.messages.labels.store import LabelStore
from bridge.messages.model import Kind, Message, SenderType, Status
from bridge.messages.ports import Index, NoIndex
from bridge.storage.database import Reader, Row, Transaction, Value
from bridge.storage.sealing import Sealer

_RELATED = """COALESCE({column}, (SELECT other.message_id FROM messages other
    WHERE other.origin_id = messages.{origin} AND other.conversation_id = messages.conversation_id)) AS {column}"""


def lead_of(message: str) -> str:
    """To which lead a message belongs, as SQL: the one it was linked to, else the one that its thread began with."""
    return f"""CASE WHEN {message}.lead_id IS NULL
        AND ({message}.thread_id IS NOT NULL OR {message}.thread_origin IS NOT NULL) THEN (
            SELECT root.lead_id FROM messages root WHERE root.conversation_id = {message}.conversation_id
                AND (root.message_id = {message}.thread_id OR root.origin_id = {message}.thread_origin) LIMIT 1)
        ELSE {message}.lead_id END"""


# What a client answers may come later than the answer: so it is looked up whenever somebody reads it.
_COLUMNS = f"""tenant_id, message_id, conversation_id, position, sender_id, sender_type, kind, content, status,
    failure_reason, origin_id, created_at, origin_sender, from_client, edited_content, edited_at, deleted_at,
    forwarded, {lead_of("messages")} AS lead_id, {_RELATED.format(column="reply_to", origin="reply_origin")},
    {_RELATED.format(column="thread_id", origin="thread_origin")}"""
INSERT = """
INSERT INTO messages (tenant_id, message_id, conversation_id, sender_id, sender_type, kind, content, status, origin_id,
    created_at, origin_sender, from_client, reply_to, reply_origin, thread_id, thread_origin, forwarded)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT DO NOTHING
"""
INSERT_AND_TELL = f"{INSERT} RETURNING position"
SET_LEAD = "UPDATE messages SET lead_id = $2 WHERE message_id = $1"
SELECT = f"SELECT {_COLUMNS} FROM messages WHERE message_id = $1"
SELECT_HISTORY = f"""
SELECT {_COLUMNS} FROM messages WHERE conversation_id = $1 AND position > $2 ORDER BY position LIMIT $3
"""
FIND = f"SELECT {_COLUMNS} FROM messages WHERE tenant_id = $1 AND message_id = $2"
SELECT_BY_ORIGIN = f"SELECT {_COLUMNS} FROM messages WHERE origin_id = $1 AND conversation_id = $2"
SELECT_NEWEST = f"SELECT {_COLUMNS} FROM messages WHERE conversation_id = $1 ORDER BY position DESC LIMIT $2"
_SELECT_AT = f"SELECT {_COLUMNS} FROM messages WHERE position IN ({{places}}) ORDER BY position DESC"
_FIGURES = """
SELECT c.conversation_id, c.message_count, m.created_at AS last_message_at, m.message_id, m.sender_id, m.content,
    m.edited_content, m.deleted_at FROM (
    SELECT conversation_id, COUNT(*) AS message_count, MAX(position) AS last_position FROM messages
    WHERE conversation_id IN ({places}){visible} GROUP BY conversation_id
) c JOIN messages m ON m.position = c.last_position
"""
_WAS_THERE = was_there(
    conversation="messages.conversation_id", person="{person}", position="messages.position"
)
SELECT_LAST_OF_THREAD = """
SELECT origin_id FROM messages WHERE conversation_id = $1 AND position >= $2 AND origin_id IS NOT NULL
    AND deleted_at IS NULL AND (message_id = $3 OR thread_id = $3 OR thread_origin = $4)
ORDER BY position DESC LIMIT 1
"""
_SENDER_ROLES = """
SELECT m.message_id, c.role FROM messages m JOIN conversation_members c
ON c.conversation_id = m.conversation_id AND c.participant_id = m.sender_id WHERE m.message_id IN ({places})
"""
SET_SENT = """
UPDATE messages SET status = 'sent', origin_id = $2, origin_sender = $3, failure_reason = NULL WHERE message_id = $1
RETURNING tenant_id, conversation_id
"""
SET_FAILED = """
UPDATE messages SET status = 'failed', failure_reason = $2 WHERE message_id = $1 RETURNING tenant_id, conversation_id
"""
SET_PENDING = """
UPDATE messages SET status = 'pending', failure_reason = NULL WHERE message_id = $1 AND status = 'failed'
"""


@dataclass(frozen=True, slots=True)
class Whose:
    tenant_id: TenantId
    conversation_id: ConversationId


class MessageStore:
    def __init__(self, sealer: Sealer, index: Index | None = None) -> None:
        self._sealer = sealer
        self._index = index or NoIndex()
        self.labels = LabelStore(sealer)

    async def insert(
        self,
        tx: Transaction,
        *,
        tenant_id: TenantId,
        message_id: MessageId,
        conversation_id: ConversationId,
        sender_id: ParticipantId | None,
        sender_type: SenderType,
        kind: Kind,
        text: str,
        status: Status,
        origin_id: str | None,
        created_at: int,
        origin_sender: str | None = None,
        from_client: bool = False,
        html: str | None = None,
        held: Held | None = None,
        mentions: Sequence[ParticipantId] = (),
        reply_to: MessageId | None = None,
        reply_origin: str | None = None,
        thread_id: MessageId | None = None,
        thread_origin: str | None = None,
        forwarded: bool = False,
        labels: Labels = NONE,
    ) -> bool:
        """Return False, changing nothing, where this id or origin id is stored already."""
        # Positions are given out in commit order within a conversation: nobody else inserts until we have committed.
        await tx.lock(lock_of(conversation_id))
        content = await self._sealer.seal(
            tx,
            tenant_id,
            f"conversation:{conversation_id}",
            content_of(text, html=html, mentions=mentions, held=held),
            place=content_place(message_id),
        )
        position = await tx.fetch_value(
            INSERT_AND_TELL,
            tenant_id,
            message_id,
            conversation_id,
            sender_id,
            sender_type,
            kind,
            content,
            status,
            origin_id,
            created_at,
            origin_sender,
            int(from_client),
            reply_to,
            reply_origin,
            thread_id,
            thread_origin,
            int(forwarded),
        )
        if position is None:
            return False
        if labels.lead_id is not None:
            await tx.execute(SET_LEAD, message_id, labels.lead_id)
        await self.labels.put(
            tx, labels, tenant_id=tenant_id, conversation_id=conversation_id, message_id=message_id
        )
        await self._index.put(
            tx,
            tenant_id=tenant_id,
            conversation_id=conversation_id,
            position=position,
            text=text,
            is_new=True,
        )
        return True

    async def get(self, reader: Reader, message_id: MessageId) -> Message | None:
        row = await reader.fetch_one(SELECT, message_id)
        return None if row is None else await self._message(reader, row)

    async def history(
        self, reader: Reader, conversation_id: ConversationId, *, after: int = 0, limit: int = 50
    ) -> list[Message]:
        """Oldest first; `after`: the position of the last one seen."""
        rows = await reader.fetch(SELECT_HISTORY, conversation_id, after, limit)
        return [await self._message(reader, row) for row in rows]

    async def find(self, reader: Reader, tenant_id: TenantId, message_id: MessageId) -> Message | None:
        """None where it is another tenant's, too."""
        row = await reader.fetch_one(FIND, tenant_id, message_id)
        return None if row is None else await self._message(reader, row)

    async def of_origin(
        self, reader: Reader, conversation_id: ConversationId, origin_id: str
    ) -> Message | None:
        row = await reader.fetch_one(SELECT_BY_ORIGIN, origin_id, conversation_id)
        return None if row is None else await self._message(reader, row)

    async def last_of_thread(self, reader: Reader, root: Message) -> str | None:
        """The origin id of the last message of the thread that `root` began, as far as the outside has them."""
        found = await reader.fetch_value(
            SELECT_LAST_OF_THREAD, root.conversation_id, root.position, root.message_id, root.origin_id
        )
        return None if found is None else str(found)

    async def newest(self, reader: Reader, conversation_id: ConversationId, *, limit: int) -> list[Message]:
        """The last ones, oldest first."""
        rows = await reader.fetch(SELECT_NEWEST, conversation_id, limit)
        return [await self._message(reader, row) for row in reversed(rows)]

    async def at(self, reader: Reader, positions: Sequence[int]) -> list[Message]:
        """Those at these positions, the newest first."""
        if not positions:
            return []
        places = ", ".join(f"${number}" for number in range(1, len(positions) + 1))
        rows = await reader.fetch(_SELECT_AT.format(places=places), *positions)
        return [await self._message(reader, row) for row in rows]

    async def sender_roles(self, reader: Reader, message_ids: Sequence[MessageId]) -> dict[MessageId, Role]:
        """Of those that somebody of the conversation said."""
        places = ", ".join(f"${number}" for number in range(1, len(message_ids) + 1))
        rows = await reader.fetch(_SENDER_ROLES.format(places=places), *message_ids)
        return {MessageId(row["message_id"]): row["role"] for row in rows}

    async def figures(
        self,
        reader: Reader,
        conversation_ids: Sequence[ConversationId],
        *,
        person: ParticipantId | None = None,
    ) -> dict[ConversationId, Figures]:
        """Of those in which something was said; as `person` sees them."""
        if not conversation_ids:
            return {}
        places = ", ".join(f"${number}" for number in range(1, len(conversation_ids) + 1))
        args: list[Value] = [*conversation_ids]
        visible = ""
        if person is not None:
            args.append(person)
            seen = not_hidden(person=f"${len(args)}", position="messages.position")
            visible = f" AND {seen}"
            if await was_ever_away(reader, conversation_ids, person):
                visible += f" AND {_WAS_THERE.format(person=f'${len(args)}')}"
        rows = await reader.fetch(_FIGURES.format(places=places, visible=visible), *args)
        return {
            ConversationId(row["conversation_id"]): Figures(
                row["message_count"], row["last_message_at"], await self._last(reader, row)
            )
            for row in rows
        }

    async def set_sent(
        self, tx: Transaction, message_id: MessageId, *, origin_id: str, origin_sender: str | None
    ) -> Whose | None:
        """Return whose message it is; None where there is none."""
        return _whose(await tx.fetch_one(SET_SENT, message_id, origin_id, origin_sender))

    async def set_failed(self, tx: Transaction, message_id: MessageId, *, reason: str) -> Whose | None:
        """Return whose message it is; None where there is none."""
        return _whose(await tx.fetch_one(SET_FAILED, message_id, reason))

    async def set_pending(self, tx: Transaction, message_id: MessageId) -> None:
        await tx.execute(SET_PENDING, message_id)

    async def _last(self, reader: Reader, row: Row) -> LastMessage:
        message_id = MessageId(row["message_id"])
        text = "" if row["deleted_at"] is not None else (await self._content(reader, row))["text"]
        return LastMessage(message_id, row["sender_id"], text)

    async def _content(self, reader: Reader, row: Row) -> dict[str, Any]:
        """What it says now."""
        message_id = MessageId(row["message_id"])
        if row["edited_content"] is None:
            sealed, place = row["content"], content_place(message_id)
        else:
            sealed, place = row["edited_content"], edited_place(message_id)
        content: dict[str, Any] = json.loads(await self._sealer.open(reader, sealed, place=place))
        return content

    async def _message(self, reader: Reader, row: Row) -> Message:
        message_id = MessageId(row["message_id"])
        content = await self._content(reader, row)
        sender_id = row["sender_id"]
        return Message(
            tenant_id=TenantId(row["tenant_id"]),
            message_id=message_id,
            conversation_id=ConversationId(row["conversation_id"]),
            position=row["position"],
            sender_id=None if sender_id is None else ParticipantId(sender_id),
            sender_type=row["sender_type"],
            kind=row["kind"],
            text=content["text"],
            status=row["status"],
            failure_reason=row["failure_reason"],
            origin_id=row["origin_id"],
            created_at=row["created_at"],
            origin_sender=row["origin_sender"],
            from_client=bool(row["from_client"]),
            edited_at=row["edited_at"],
            deleted_at=row["deleted_at"],
            html=content.get("html"),
            held=held_in(content),
            mentions=tuple(ParticipantId(one) for one in content.get("mentions", ())),
            reply_to=row["reply_to"],
            thread_id=row["thread_id"],
            forwarded=bool(row["forwarded"]),
            lead_id=row["lead_id"],
        )


def content_of(
    text: str,
    *,
    html: str | None = None,
    mentions: Sequence[ParticipantId] = (),
    held: Held | None = None,
) -> bytes:
    """What a message or an edit says, as it is sealed."""
    content: dict[str, object] = {"text": text}
    if html is not None:
        content["html"] = html
    if mentions:
        content["mentions"] = list(mentions)
    if held is not None:
        content |= sealed_as(held)
    return json.dumps(content).encode()


def _whose(row: Row | None) -> Whose | None:
    return None if row is None else Whose(TenantId(row["tenant_id"]), ConversationId(row["conversation_id"]))


def lock_of(conversation_id: ConversationId) -> str:
    """Held by whoever adds to a conversation or changes what was said in it."""
    return f"messages:{conversation_id}"


def content_place(message_id: MessageId) -> str:
    return f"messages.content:{message_id}"


def edited_place(message_id: MessageId) -> str:
    return f"messages.edited_content:{message_id}"
