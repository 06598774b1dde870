"""Pins in the database."""

from collections.abc import Sequence

from bridge.core.ids import ConversationId, MessageId
from bridge.messages.model import Message
from bridge.storage.database import Reader, Transaction

# After all that are.
PUT = """
INSERT INTO pins (message_id, conversation_id, place)
SELECT $1, $2, COALESCE(MAX(place), 0) + 1 FROM pins WHERE conversation_id = $2
ON CONFLICT (message_id) DO NOTHING
"""
DELETE = "DELETE FROM pins WHERE message_id = $1"
SELECT = "SELECT message_id FROM pins WHERE conversation_id = $1 ORDER BY place"
IS_PINNED = "SELECT 1 FROM pins WHERE message_id = $1"
SELECT_ORIGINS = """
SELECT m.origin_id FROM pins p JOIN messages m ON m.message_id = p.message_id
WHERE p.conversation_id = $1 AND m.origin_id IS NOT NULL AND m.deleted_at IS NULL ORDER BY p.place
"""
_KNOWN = "SELECT origin_id FROM messages WHERE conversation_id = $1 AND origin_id IN ({places})"


class PinStore:
    async def put(self, tx: Transaction, message: Message) -> bool:
        """Return False, changing nothing, where it is pinned already."""
        return bool(await tx.execute(PUT, message.message_id, message.conversation_id))

    async def delete(self, tx: Transaction, message_id: MessageId) -> bool:
        """Return whether it was pinned."""
        return bool(await tx.execute(DELETE, message_id))

    async def of(self, reader: Reader, conversation_id: ConversationId) -> list[MessageId]:
        """In the order in which they were pinned."""
        return [MessageId(row["message_id"]) for row in await reader.fetch(SELECT, conversation_id)]

    async def is_pinned(self, reader: Reader, message_id: MessageId) -> bool:
        return await reader.fetch_value(IS_PINNED, message_id) is not None

    async def origins(self, reader: Reader, conversation_id: ConversationId) -> list[str]:
        """The origin ids of those that the outside has, in the order in which they were pinned."""
        return [row["origin_id"] for row in await reader.fetch(SELECT_ORIGINS, conversation_id)]

    async def known(
        self, reader: Reader, conversation_id: ConversationId, origin_ids: Sequence[str]
    ) -> set[str]:
        """Which of these are messages of the conversation."""
        if not origin_ids:
            return set()
        places = ", ".join(f"${number}" for number in range(2, len(origin_ids) + 2))
        rows = await reader.fetch(_KNOWN.format(places=places), conversation_id, *origin_ids)
        return {row["origin_id"] for row in rows}
