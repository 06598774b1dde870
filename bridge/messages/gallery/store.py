"""Which messages of a conversation hold a file."""

from collections.abc import Sequence

from bridge.core.ids import ConversationId
from bridge.messages.model import MEDIA
from bridge.storage.database import Reader

_KINDS = ", ".join(f"'{kind}'" for kind in MEDIA)
# By the index of just these: in the words of which it is made.
_NEWEST = f"""
SELECT position FROM messages WHERE conversation_id = $1 AND kind IN ({_KINDS}) AND deleted_at IS NULL{{before}}
ORDER BY position DESC LIMIT $2
"""
SELECT_NEWEST = _NEWEST.format(before="")
SELECT_BEFORE = _NEWEST.format(before=" AND position < $3")


class GalleryStore:
    async def newest(
        self, reader: Reader, conversation_id: ConversationId, *, before: int | None, limit: int
    ) -> Sequence[int]:
        """Positions, the newest first; `before`: of the last one seen."""
        if before is None:
            rows = await reader.fetch(SELECT_NEWEST, conversation_id, limit)
        else:
            rows = await reader.fetch(SELECT_BEFORE, conversation_id, limit, before)
        return [row["position"] for row in rows]
