"""Votes and ends of polls in the database: ids, and nothing of what is asked."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.messages.polls.model import End, Vote
from bridge.storage.database import Reader, Row, Transaction

_COLUMNS = """vote_id, tenant_id, conversation_id, message_id, participant_id, outsider, answers, in_room, origin_id,
    origin_sender, voted_at"""
INSERT = f"""
INSERT INTO poll_votes ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING
"""
SELECT = f"SELECT {_COLUMNS} FROM poll_votes WHERE vote_id = $1"
_OF_MESSAGES = f"SELECT {_COLUMNS} FROM poll_votes WHERE message_id IN ({{places}}) ORDER BY position"
_ENDS = "SELECT message_id, closed_at, origin_id FROM poll_ends WHERE message_id IN ({places})"
SELECT_BY_ORIGIN = f"SELECT {_COLUMNS} FROM poll_votes WHERE origin_id = $1 AND conversation_id = $2"
SET_ORIGIN = "UPDATE poll_votes SET origin_id = $2, origin_sender = $3 WHERE vote_id = $1"
DELETE = "DELETE FROM poll_votes WHERE vote_id = $1"
PUT_END = """
INSERT INTO poll_ends (message_id, closed_at, origin_id) VALUES ($1, $2, $3)
ON CONFLICT (message_id) DO UPDATE SET closed_at = excluded.closed_at, origin_id = excluded.origin_id
"""


class PollStore:
    async def insert(self, tx: Transaction, vote: Vote) -> bool:
        """Return False, changing nothing, where it is stored already."""
        return bool(
            await tx.execute(
                INSERT,
                vote.vote_id,
                vote.tenant_id,
                vote.conversation_id,
                vote.message_id,
                vote.participant_id,
                vote.outsider,
                ",".join(vote.answers),
                int(vote.in_room),
                vote.origin_id,
                vote.origin_sender,
                vote.voted_at,
            )
        )

    async def get(self, reader: Reader, vote_id: str) -> Vote | None:
        row = await reader.fetch_one(SELECT, vote_id)
        return None if row is None else _vote(row)

    async def of(self, reader: Reader, message_id: MessageId) -> Sequence[Vote]:
        """All, in the order in which they came."""
        return (await self.of_messages(reader, [message_id])).get(message_id, ())

    async def of_messages(
        self, reader: Reader, message_ids: Sequence[MessageId]
    ) -> Mapping[MessageId, Sequence[Vote]]:
        """All, in the order in which they came."""
        found: defaultdict[MessageId, list[Vote]] = defaultdict(list)
        if message_ids:
            for row in await reader.fetch(_OF_MESSAGES.format(places=_places(message_ids)), *message_ids):
                found[MessageId(row["message_id"])].append(_vote(row))
        return found

    async def of_origin(self, reader: Reader, conversation_id: ConversationId, origin_id: str) -> Vote | None:
        row = await reader.fetch_one(SELECT_BY_ORIGIN, origin_id, conversation_id)
        return None if row is None else _vote(row)

    async def set_origin(self, tx: Transaction, vote_id: str, *, origin_id: str, origin_sender: str) -> None:
        await tx.execute(SET_ORIGIN, vote_id, origin_id, origin_sender)

    async def delete(self, tx: Transaction, vote_id: str) -> None:
        await tx.execute(DELETE, vote_id)

    async def put_end(self, tx: Transaction, message_id: MessageId, end: End) -> None:
        """Instead of the one it had."""
        await tx.execute(PUT_END, message_id, end.closed_at, end.origin_id)

    async def end(self, reader: Reader, message_id: MessageId) -> End | None:
        return (await self.ends(reader, [message_id])).get(message_id)

    async def ends(self, reader: Reader, message_ids: Sequence[MessageId]) -> Mapping[MessageId, End]:
        """Of those that are closed."""
        if not message_ids:
            return {}
        rows = await reader.fetch(_ENDS.format(places=_places(message_ids)), *message_ids)
        return {MessageId(row["message_id"]): End(row["closed_at"], row["origin_id"]) for row in rows}


def _places(message_ids: Sequence[MessageId]) -> str:
    return ", ".join(f"${number}" for number in range(1, len(message_ids) + 1))


def _vote(row: Row) -> Vote:
    participant_id = row["participant_id"]
    return Vote(
        vote_id=row["vote_id"],
        tenant_id=TenantId(row["tenant_id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        message_id=MessageId(row["message_id"]),
        participant_id=None if participant_id is None else ParticipantId(participant_id),
        outsider=row["outsider"],
        answers=tuple(row["answers"].split(",")) if row["answers"] else (),
        in_room=bool(row["in_room"]),
        origin_id=row["origin_id"],
        origin_sender=row["origin_sender"],
        voted_at=row["voted_at"],
    )
