"""Lists of a conversation's messages, in its one order: all of them or a thread's, as one person sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.conversations.absences import ALL, LAST, Seen, Span, was_there
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.messages.hidden.store import not_hidden
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.storage.arguments import Arguments
from bridge.storage.database import Reader, Value

# Where it was answered in a client, the outside's id of what began the thread: that may have come later.
_REPLIES = """
SELECT m.message_id, (
    SELECT COUNT(*) FROM messages r WHERE r.thread_id = m.message_id AND r.deleted_at IS NULL{visible}
) + (
    SELECT COUNT(*) FROM messages r WHERE r.thread_origin = m.origin_id AND r.thread_id IS NULL
        AND r.conversation_id = m.conversation_id AND r.deleted_at IS NULL{visible}
) AS replies FROM messages m WHERE m.message_id IN ({places})
"""
SELECT_WHO_MISSES_REPLIES = """
SELECT h.participant_id FROM messages r JOIN hidden_messages h ON h.position = r.position
WHERE r.thread_id = $1 AND r.deleted_at IS NULL
UNION
SELECT h.participant_id FROM messages r JOIN hidden_messages h ON h.position = r.position
WHERE r.thread_origin = $2 AND r.thread_id IS NULL AND r.conversation_id = $3 AND r.deleted_at IS NULL
"""
"""Beside `_REPLIES`: from whom any of those is hidden."""
# However long the conversation is, only the thread is looked through.
_OF_THREAD = """m.position IN (
    SELECT r.position FROM messages r WHERE r.thread_id = {ours}
    UNION ALL
    SELECT r.position FROM messages r WHERE r.thread_origin = {theirs} AND r.thread_id IS NULL
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages. `thread`: what began the thread whose answers alone are meant; `seen_by`: without those that
    are hidden from this person. None lets all through. `seen`: what they see of the conversation."""

    conversation_id: ConversationId
    thread: Message | None = None
    seen_by: ParticipantId | None = None
    seen: Seen = ALL


class Listing:
    def __init__(self, store: MessageStore) -> None:
        self._store = store

    async def newest(
        self, reader: Reader, wanted: Wanted, *, before: int | None = None, limit: int
    ) -> list[Message]:
        """The last ones (before the position `before`), oldest first."""
        condition = None if before is None else ("<", before)
        positions = await self._positions(reader, wanted, condition, order="DESC", limit=limit)
        return [*reversed(await self._store.at(reader, positions))]

    async def following(self, reader: Reader, wanted: Wanted, *, after: int, limit: int) -> list[Message]:
        """The first ones after the position `after`, oldest first."""
        positions = await self._positions(reader, wanted, (">", after), order="ASC", limit=limit)
        return [*reversed(await self._store.at(reader, positions))]

    async def has_before(self, reader: Reader, wanted: Wanted, position: int) -> bool:
        return bool(await self._positions(reader, wanted, ("<", position), order="DESC", limit=1))

    async def _positions(
        self,
        reader: Reader,
        wanted: Wanted,
        condition: tuple[str, int] | None,
        *,
        order: str,
        limit: int,
    ) -> Sequence[int]:
        """From span to span, however much was said between them."""
        found: list[int] = []
        spans = wanted.seen.spans()
        for span in spans if order == "ASC" else reversed(spans):
            if len(found) < limit:
                left = limit - len(found)
                found += await self._in_span(reader, wanted, span, condition, order=order, limit=left)
        return found

    async def _in_span(
        self,
        reader: Reader,
        wanted: Wanted,
        span: Span,
        condition: tuple[str, int] | None,
        *,
        order: str,
        limit: int,
    ) -> Sequence[int]:
        args = Arguments(wanted.conversation_id, limit)
        conditions = ["m.conversation_id = $1"]
        if condition is not None:
            compared, position = condition
            conditions.append(f"m.position {compared} {args.place(position)}")
        if span.after > 0:
            conditions.append(f"m.position > {args.place(span.after)}")
        if span.until < LAST:
            conditions.append(f"m.position <= {args.place(span.until)}")
        if wanted.thread is not None:
            ours, theirs = args.place(wanted.thread.message_id), args.place(wanted.thread.origin_id)
            conditions.append(_OF_THREAD.format(ours=ours, theirs=theirs))
        if wanted.seen_by is not None:
            conditions.append(not_hidden(person=args.place(wanted.seen_by), position="m.position"))
        sql = (
            f"SELECT m.position FROM messages m WHERE {' AND '.join(conditions)}"
            f" ORDER BY m.position {order} LIMIT $2"
        )
        return [row["position"] for row in await reader.fetch(sql, *args.values)]


async def replies_of(
    reader: Reader, message_ids: Sequence[MessageId], *, seen_by: ParticipantId | None
) -> dict[MessageId, int]:
    """How many answers there are in the thread that each of these has begun."""
    places = ", ".join(f"${number}" for number in range(1, len(message_ids) + 1))
    args: list[Value] = [*message_ids]
    visible = ""
    if seen_by is not None:
        args.append(seen_by)
        person, position = f"${len(args)}", "r.position"
        there = was_there(conversation="r.conversation_id", person=person, position=position)
        visible = f" AND {not_hidden(person=person, position=position)} AND {there}"
    rows = await reader.fetch(_REPLIES.format(places=places, visible=visible), *args)
    return {MessageId(row["message_id"]): row["replies"] for row in rows}


async def who_misses_replies(reader: Reader, message: Message) -> set[ParticipantId]:
    """From whom an answer in the thread that it has begun is hidden."""
    of = (message.message_id, message.origin_id, message.conversation_id)
    rows = await reader.fetch(SELECT_WHO_MISSES_REPLIES, *of)
    return {ParticipantId(row["participant_id"]) for row in rows}
