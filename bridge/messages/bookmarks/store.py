"""Bookmarks in the database."""

from collections.abc import Sequence

from bridge.conversations.absences import was_there
from bridge.conversations.member_store import not_deleted
from bridge.core.clock import Clock
from bridge.core.ids import MessageId, ParticipantId, TenantId
from bridge.messages.hidden.store import not_hidden
from bridge.messages.model import Message
from bridge.storage.database import Reader, Transaction

PUT = """
INSERT INTO bookmarks (tenant_id, participant_id, message_id, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (participant_id, message_id, tenant_id) DO NOTHING
"""
DELETE = "DELETE FROM bookmarks WHERE tenant_id = $1 AND participant_id = $2 AND message_id = $3"
_AMONG = """
SELECT message_id FROM bookmarks WHERE tenant_id = $1 AND participant_id = $2 AND message_id IN ({places})
"""
SELECT_WHOSE = """
SELECT b.participant_id FROM conversation_members c
JOIN bookmarks b ON b.participant_id = c.participant_id AND b.message_id = $2 AND b.tenant_id = $3
WHERE c.conversation_id = $1
"""
# Of conversations in which they still take part, but for what they did not see or have deleted for themselves.
_NEWEST = f"""
SELECT b.position, b.message_id FROM bookmarks b
JOIN messages m ON m.message_id = b.message_id
JOIN conversation_members c ON c.conversation_id = m.conversation_id AND c.participant_id = b.participant_id
    AND c.away IS NULL
WHERE b.tenant_id = $1 AND b.participant_id = $2 AND m.deleted_at IS NULL AND {not_deleted("m")}
    AND {not_hidden(person="b.participant_id", position="m.position")}
    AND {was_there(conversation="m.conversation_id", person="b.participant_id", position="m.position")}{{before}}
ORDER BY b.position DESC LIMIT $3
"""
SELECT_NEWEST = _NEWEST.format(before="")
SELECT_BEFORE = _NEWEST.format(before=" AND b.position < $4")


class BookmarkStore:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def put(self, tx: Transaction, message: Message, participant_id: ParticipantId) -> None:
        """One that is there stays as it is."""
        await tx.execute(PUT, message.tenant_id, participant_id, message.message_id, self._clock.now())

    async def delete(self, tx: Transaction, message: Message, participant_id: ParticipantId) -> None:
        await tx.execute(DELETE, message.tenant_id, participant_id, message.message_id)

    async def whose(self, reader: Reader, message: Message) -> set[ParticipantId]:
        """Who of its conversation has marked it."""
        of = (message.conversation_id, message.message_id, message.tenant_id)
        return {ParticipantId(row["participant_id"]) for row in await reader.fetch(SELECT_WHOSE, *of)}

    async def among(
        self,
        reader: Reader,
        tenant_id: TenantId,
        participant_id: ParticipantId,
        message_ids: Sequence[MessageId],
    ) -> set[MessageId]:
        """Which of these the person has marked."""
        if not message_ids:
            return set()
        places = ", ".join(f"${number}" for number in range(3, len(message_ids) + 3))
        rows = await reader.fetch(_AMONG.format(places=places), tenant_id, participant_id, *message_ids)
        return {MessageId(row["message_id"]) for row in rows}

    async def newest(
        self,
        reader: Reader,
        tenant_id: TenantId,
        participant_id: ParticipantId,
        *,
        before: int | None,
        limit: int,
    ) -> list[tuple[int, MessageId]]:
        """Position and message, the one marked last first; `before`: the position of the last one seen."""
        if before is None:
            rows = await reader.fetch(SELECT_NEWEST, tenant_id, participant_id, limit)
        else:
            rows = await reader.fetch(SELECT_BEFORE, tenant_id, participant_id, limit, before)
        return [(row["position"], MessageId(row["message_id"])) for row in rows]
