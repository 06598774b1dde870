"""Which messages of a conversation hold a file."""

from collections.abc import Sequence

from bridge.conversations.absences import LAST, Seen
from bridge.core.ids import ConversationId
from bridge.messages.model import MEDIA
from bridge.storage.database import Reader

_KINDS = ", ".join(f"'{kind}'" for kind in MEDIA)
# By the index of just these: in the words of which it is made.
SELECT_NEWEST = f"""
SELECT position FROM messages WHERE conversation_id = $1 AND kind IN ({_KINDS}) AND deleted_at IS NULL
    AND position > $3 AND position <= $4 ORDER BY position DESC LIMIT $2
"""


class GalleryStore:
    async def newest(
        self, reader: Reader, conversation_id: ConversationId, seen: Seen, *, before: int | None, limit: int
    ) -> Sequence[int]:
        """Positions of those that are `seen`, the newest first; `before`: of the last one told."""
        found: list[int] = []
        newest = LAST if before is None else before - 1
        for span in reversed(seen.spans()):
            left, until = limit - len(found), min(newest, span.until)
            if left > 0 and until > span.after:
                rows = await reader.fetch(SELECT_NEWEST, conversation_id, left, span.after, until)
                found += [row["position"] for row in rows]
        return found
