"""What is known of messages without opening them."""

from bridge.core.ids import ConversationId, ParticipantId, TenantId, VendorId
from bridge.statistics.rules import Fact
from bridge.storage.database import Reader

SELECT = """
SELECT position, sender_id, sender_type, created_at, edited_at, deleted_at FROM messages
WHERE conversation_id = $1 AND position > $2 ORDER BY position LIMIT $3
"""
SELECT_OF_VENDOR = """
SELECT conversation_id, closed_at FROM conversations WHERE tenant_id = $1 AND vendor_id = $2 AND deleted_at IS NULL
"""


class StatisticsStore:
    async def said(
        self, reader: Reader, conversation_id: ConversationId, *, after: int, limit: int
    ) -> list[tuple[int, Fact]]:
        """With their positions, oldest first."""
        return [
            (
                row["position"],
                Fact(
                    sender_id=None if row["sender_id"] is None else ParticipantId(row["sender_id"]),
                    sender_type=row["sender_type"],
                    created_at=row["created_at"],
                    is_edited=row["edited_at"] is not None,
                    is_deleted=row["deleted_at"] is not None,
                ),
            )
            for row in await reader.fetch(SELECT, conversation_id, after, limit)
        ]

    async def of_vendor(
        self, reader: Reader, tenant_id: TenantId, vendor_id: VendorId
    ) -> list[tuple[ConversationId, bool]]:
        """The vendor's conversations, and whether each has come to its end."""
        rows = await reader.fetch(SELECT_OF_VENDOR, tenant_id, vendor_id)
        return [(ConversationId(row["conversation_id"]), row["closed_at"] is not None) for row in rows]
