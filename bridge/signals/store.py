"""Who has read how far, in the database; what is unread is counted from that and from the messages themselves."""

from collections.abc import Sequence

from bridge.conversations.absence_store import seen_by
from bridge.conversations.absences import was_there
from bridge.conversations.member_store import not_deleted
from bridge.conversations.unread import COUNTS, IS_READ_IN_THREAD, READERS, THREAD_OF, number_unread
from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.signals.model import Person, ReadPosition, Thread, Unread
from bridge.storage.database import Reader, Row, Transaction

MOVE = """
INSERT INTO read_positions (tenant_id, conversation_id, participant_id, position, read_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (conversation_id, participant_id) DO UPDATE SET position = excluded.position, read_at = excluded.read_at
WHERE read_positions.position < excluded.position
"""
MARK = """
INSERT INTO read_marks (conversation_id, participant_id, position, read_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""
# As the above, of what stands in threads. `in_threads`: up to there they have read all of it.
_UP_TO_IN_THREADS = """COALESCE((
            SELECT r.in_threads FROM read_positions r WHERE r.conversation_id = $1 AND r.participant_id = $2), 0)"""
MARK_THREADS = f"""
INSERT INTO thread_marks (conversation_id, participant_id, thread, position, read_at)
SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), '', CAST($3 AS BIGINT), CAST($4 AS BIGINT) WHERE EXISTS (
    SELECT 1 FROM messages u WHERE u.conversation_id = $1 AND {THREAD_OF} IS NOT NULL AND u.position <= $3
        AND u.position > {_UP_TO_IN_THREADS}
) ON CONFLICT DO NOTHING
"""
MOVE_IN_THREADS = """
INSERT INTO read_positions (tenant_id, conversation_id, participant_id, position, in_threads, read_at)
VALUES ($1, $2, $3, 0, $4, $5)
ON CONFLICT (conversation_id, participant_id) DO UPDATE SET in_threads = excluded.in_threads
WHERE read_positions.in_threads < excluded.in_threads
"""
MARK_THREAD = f"""
INSERT INTO thread_marks (conversation_id, participant_id, thread, position, read_at)
SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS BIGINT) WHERE EXISTS (
    SELECT 1 FROM messages u WHERE u.conversation_id = $1 AND {THREAD_OF} IS NOT NULL AND {THREAD_OF} = $3
        AND u.position <= $4 AND u.position > {_UP_TO_IN_THREADS} AND u.position > COALESCE((
            SELECT MAX(k.position) FROM thread_marks k
            WHERE k.conversation_id = $1 AND k.participant_id = $2 AND k.thread = $3), 0)
) ON CONFLICT DO NOTHING
"""
# So that what was read thread by thread is not looked through for ever. What may still be delivered is not passed by.
FIRST_IN_THREADS = f"""
SELECT u.position FROM messages u JOIN conversation_members m ON m.conversation_id = u.conversation_id
WHERE u.conversation_id = $1 AND m.participant_id = $2 AND {COUNTS} AND {THREAD_OF} IS NOT NULL
    AND u.position > {_UP_TO_IN_THREADS} AND u.position <= $3 AND NOT {IS_READ_IN_THREAD}
ORDER BY u.position LIMIT 1
"""
BEGAN = "SELECT message_id FROM messages WHERE origin_id = $1 AND conversation_id = $2"
# A message names the beginning of its thread by one of its two ids.
THREAD_OF_ORIGIN = """
SELECT COALESCE(u.thread_id, came.message_id) AS message_id, COALESCE(u.thread_origin, said.origin_id) AS origin_id
FROM messages u LEFT JOIN messages said ON said.message_id = u.thread_id
    LEFT JOIN messages came ON came.origin_id = u.thread_origin
WHERE u.origin_id = $1 AND u.conversation_id = $2
"""
SELECT_POSITION = """
SELECT r.position, r.read_at, m.message_id FROM read_positions r JOIN messages m ON m.position = r.position
WHERE r.conversation_id = $1 AND r.participant_id = $2
"""
LAST_POSITION = (
    "SELECT MAX(position) FROM messages WHERE conversation_id = $1 AND position > $2 AND position <= $3"
)
POSITION_OF_ORIGIN = "SELECT position FROM messages WHERE origin_id = $1 AND conversation_id = $2"
SELECT_BACKWARDS = """
SELECT status, origin_id FROM messages
WHERE conversation_id = $1 AND position <= $2 AND (sender_id IS NULL OR sender_id <> $3)
ORDER BY position DESC LIMIT $4
"""
SENDER = "SELECT sender_id FROM messages WHERE message_id = $1"
IS_THERE = """
SELECT 1 FROM conversation_members WHERE conversation_id = $1 AND participant_id = $2 AND away IS NULL
"""

_UNREAD_IN = f"""
SELECT m.conversation_id, m.participant_id, {number_unread()} AS unread FROM {READERS}
WHERE m.conversation_id IN ({{places}}) AND m.away IS NULL
"""
UNREAD_UP_TO = f"""
SELECT {number_unread(more=" AND u.position <= $3")} FROM {READERS}
WHERE m.conversation_id = $1 AND m.participant_id = $2 AND m.away IS NULL
"""
UNREAD_OF = f"""
SELECT m.conversation_id, m.participant_id, {number_unread()} AS unread FROM {READERS}
WHERE m.tenant_id = $1 AND m.participant_id = $2 AND m.away IS NULL AND {not_deleted("m")} ORDER BY m.conversation_id
"""
# One row for each message and each of its recipients; `read_at`: at the first step that reached it,
# `thread_read_at`: at the first of those in its thread alone.
_RECIPIENTS = f"""
SELECT u.message_id, m.participant_id, m.failure, CASE WHEN {THREAD_OF} IS NULL THEN (
    SELECT k.read_at FROM read_marks k WHERE k.conversation_id = m.conversation_id
        AND k.participant_id = m.participant_id AND k.position >= u.position ORDER BY k.position LIMIT 1
) ELSE (
    SELECT k.read_at FROM thread_marks k WHERE k.conversation_id = m.conversation_id
        AND k.participant_id = m.participant_id AND k.thread = '' AND k.position >= u.position
    ORDER BY k.position LIMIT 1
) END AS read_at, (
    SELECT k.read_at FROM thread_marks k WHERE k.conversation_id = m.conversation_id
        AND k.participant_id = m.participant_id AND k.thread = {THREAD_OF} AND k.position >= u.position
    ORDER BY k.position LIMIT 1
) AS thread_read_at
FROM messages u JOIN conversation_members m ON m.conversation_id = u.conversation_id
WHERE u.message_id IN ({{places}}) AND m.away IS NULL
    AND {was_there(conversation="m.conversation_id", person="m.participant_id", position="u.position")}
    AND (u.sender_id IS NULL OR u.sender_id <> m.participant_id)
ORDER BY m.joined_at, m.participant_id
"""

SEE = """
INSERT INTO last_seen (tenant_id, participant_id, seen_at) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, participant_id) DO UPDATE SET seen_at = excluded.seen_at
WHERE last_seen.seen_at < excluded.seen_at
"""
LAST_SEEN = "SELECT seen_at FROM last_seen WHERE tenant_id = $1 AND participant_id = $2"
_LAST_SEEN_OF = """
SELECT participant_id, seen_at FROM last_seen WHERE tenant_id = $1 AND participant_id IN ({places})
"""
OF_ACCOUNT = """
SELECT p.tenant_id, p.participant_id FROM participants p
LEFT JOIN erasures e ON e.tenant_id = p.tenant_id AND e.participant_id = p.participant_id
WHERE p.mxid = $1 AND e.asked_at IS NULL ORDER BY p.tenant_id, p.participant_id
"""


class ReadStore:
    async def move(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        *,
        position: int,
        at: int,
    ) -> bool:
        """Of what stands in no thread. Return False, changing nothing, where they had read that far."""
        moved = await tx.execute(MOVE, tenant_id, conversation_id, participant_id, position, at)
        if moved:
            await tx.execute(MARK, conversation_id, participant_id, position, at)
        return bool(moved)

    async def move_in_threads(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        *,
        position: int,
        at: int,
    ) -> bool:
        """Of what stands in threads, whichever. Return False where there was nothing of it to read."""
        marked = await tx.execute(MARK_THREADS, conversation_id, participant_id, position, at)
        await tx.execute(MOVE_IN_THREADS, tenant_id, conversation_id, participant_id, position, at)
        return bool(marked)

    async def move_in_thread(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        thread: Thread,
        *,
        position: int,
        at: int,
    ) -> bool:
        """Of what stands in this one. Return False, changing nothing, where there was nothing of it to read."""
        marked = 0
        for name in thread.names:
            marked += await tx.execute(MARK_THREAD, conversation_id, participant_id, name, position, at)
        if marked:
            first = await tx.fetch_value(FIRST_IN_THREADS, conversation_id, participant_id, position)
            all_read = position if first is None else first - 1
            await tx.execute(MOVE_IN_THREADS, tenant_id, conversation_id, participant_id, all_read, at)
        return marked > 0

    async def thread(self, reader: Reader, conversation_id: ConversationId, origin_id: str) -> Thread:
        """That which this message of the outside began."""
        began: MessageId | None = await reader.fetch_value(BEGAN, origin_id, conversation_id)
        return Thread(origin_id=origin_id, message_id=began)

    async def thread_of(
        self, reader: Reader, conversation_id: ConversationId, origin_id: str
    ) -> Thread | None:
        """In which this message of the outside stands."""
        row = await reader.fetch_one(THREAD_OF_ORIGIN, origin_id, conversation_id)
        if row is None or (row["message_id"], row["origin_id"]) == (None, None):
            return None
        return Thread(origin_id=row["origin_id"], message_id=row["message_id"])

    async def position(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> ReadPosition | None:
        row = await reader.fetch_one(SELECT_POSITION, conversation_id, participant_id)
        if row is None:
            return None
        return ReadPosition(position=row["position"], read_at=row["read_at"], message_id=row["message_id"])

    async def last_position(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> int | None:
        """Of the newest message that they see; None where nothing was said to them."""
        seen = await seen_by(reader, conversation_id, participant_id)
        for span in reversed(seen.spans()):
            found: int | None = await reader.fetch_value(
                LAST_POSITION, conversation_id, span.after, span.until
            )
            if found is not None:
                return found
        return None

    async def position_of_origin(
        self, reader: Reader, conversation_id: ConversationId, origin_id: str
    ) -> int | None:
        found: int | None = await reader.fetch_value(POSITION_OF_ORIGIN, origin_id, conversation_id)
        return found

    async def sender(self, reader: Reader, message_id: MessageId) -> ParticipantId | None:
        """None for Festimo and the platform."""
        found: ParticipantId | None = await reader.fetch_value(SENDER, message_id)
        return found

    async def backwards(
        self,
        reader: Reader,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        *,
        position: int,
        limit: int,
    ) -> list[Row]:
        """Status and origin id of what others said up to `position`, newest first."""
        return await reader.fetch(SELECT_BACKWARDS, conversation_id, position, participant_id, limit)

    async def is_there(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> bool:
        return await reader.fetch_value(IS_THERE, conversation_id, participant_id) is not None

    # What is unread

    async def unread_in(self, reader: Reader, conversation_ids: Sequence[ConversationId]) -> list[Unread]:
        """By each person who is there."""
        if not conversation_ids:
            return []
        sql = _UNREAD_IN.format(places=_places(conversation_ids))
        return [_unread(row) for row in await reader.fetch(sql, *conversation_ids)]

    async def unread_up_to(
        self,
        reader: Reader,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        *,
        position: int,
    ) -> int:
        return int(await reader.fetch_value(UNREAD_UP_TO, conversation_id, participant_id, position) or 0)

    async def unread_of(
        self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId
    ) -> list[Unread]:
        """In each conversation in which there is something, in the order of their ids."""
        rows = await reader.fetch(UNREAD_OF, tenant_id, participant_id)
        return [_unread(row) for row in rows if row["unread"]]

    async def recipients(self, reader: Reader, message_ids: Sequence[MessageId]) -> list[Row]:
        """Rows of message_id, participant_id, failure, read_at, thread_read_at."""
        if not message_ids:
            return []
        return await reader.fetch(_RECIPIENTS.format(places=_places(message_ids)), *message_ids)


class SeenStore:
    """When people were last seen."""

    async def put(self, tx: Transaction, person: Person, *, at: int) -> None:
        await tx.execute(SEE, person.tenant_id, person.participant_id, at)

    async def get(self, reader: Reader, person: Person) -> int | None:
        found: int | None = await reader.fetch_value(LAST_SEEN, person.tenant_id, person.participant_id)
        return found

    async def of_people(
        self, reader: Reader, tenant_id: TenantId, participant_ids: Sequence[ParticipantId]
    ) -> dict[ParticipantId, int]:
        """Of those who were seen at all."""
        if not participant_ids:
            return {}
        places = ", ".join(f"${number}" for number in range(2, len(participant_ids) + 2))
        rows = await reader.fetch(_LAST_SEEN_OF.format(places=places), tenant_id, *participant_ids)
        return {ParticipantId(row["participant_id"]): row["seen_at"] for row in rows}

    async def of_account(self, reader: Reader, mxid: str) -> list[Person]:
        """Whose account it is: one person per tenant, as a rule. Not theirs who asked to be erased."""
        return [
            Person(tenant_id=TenantId(row["tenant_id"]), participant_id=ParticipantId(row["participant_id"]))
            for row in await reader.fetch(OF_ACCOUNT, mxid)
        ]


def _places(values: Sequence[str]) -> str:
    return ", ".join(f"${number}" for number in range(1, len(values) + 1))


def _unread(row: Row) -> Unread:
    return Unread(
        conversation_id=ConversationId(row["conversation_id"]),
        participant_id=ParticipantId(row["participant_id"]),
        count=row["unread"],
    )
