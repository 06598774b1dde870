"""Reactions in the database; the emoji is sealed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.messages.reactions.model import Origin, Reaction
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer

_COLUMNS = """reaction_id, tenant_id, conversation_id, message_id, participant_id, outsider, emoji, created_at,
    removed_at"""
INSERT = f"""
INSERT INTO reactions ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL)
"""
SELECT = f"SELECT {_COLUMNS} FROM reactions WHERE reaction_id = $1"
_OF_MESSAGES = f"""
SELECT {_COLUMNS} FROM reactions WHERE message_id IN ({{places}}) AND removed_at IS NULL
ORDER BY position
"""
SELECT_ALL_OF = f"SELECT {_COLUMNS} FROM reactions WHERE message_id = $1 ORDER BY position"
REMOVE = "UPDATE reactions SET removed_at = $2 WHERE reaction_id = $1 AND removed_at IS NULL"
FORGET = """
DELETE FROM reactions WHERE reaction_id = $1 AND removed_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM reaction_origins o WHERE o.reaction_id = reactions.reaction_id)
"""
PUT_ORIGIN = """
INSERT INTO reaction_origins (origin_id, reaction_id, sender) VALUES ($1, $2, $3)
ON CONFLICT (origin_id) DO UPDATE SET reaction_id = excluded.reaction_id
"""
HAND_OVER = "UPDATE reaction_origins SET reaction_id = $2 WHERE origin_id = $1"
DELETE_ORIGIN = "DELETE FROM reaction_origins WHERE origin_id = $1"
_ORIGIN = "o.origin_id, o.reaction_id, o.sender FROM reaction_origins o"
SELECT_ORIGINS = f"""
SELECT {_ORIGIN} JOIN reactions r ON r.reaction_id = o.reaction_id WHERE r.message_id = $1 ORDER BY o.origin_id
"""
SELECT_ORIGIN = f"""
SELECT {_ORIGIN} JOIN reactions r ON r.reaction_id = o.reaction_id WHERE o.origin_id = $1 AND r.conversation_id = $2
"""


class ReactionStore:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def insert(self, tx: Transaction, reaction: Reaction) -> None:
        sealed = await self._sealer.seal(
            tx,
            reaction.tenant_id,
            f"conversation:{reaction.conversation_id}",
            reaction.emoji.encode(),
            place=_place(reaction.reaction_id),
        )
        await tx.execute(
            INSERT,
            reaction.reaction_id,
            reaction.tenant_id,
            reaction.conversation_id,
            reaction.message_id,
            reaction.participant_id,
            reaction.outsider,
            sealed,
            reaction.created_at,
        )

    async def get(self, reader: Reader, reaction_id: str) -> Reaction | None:
        """Also one that was taken back."""
        row = await reader.fetch_one(SELECT, reaction_id)
        return None if row is None else await self._reaction(reader, row)

    async def of(self, reader: Reader, message_id: MessageId) -> Sequence[Reaction]:
        """Oldest first."""
        return (await self.of_messages(reader, [message_id])).get(message_id, ())

    async def of_messages(
        self, reader: Reader, message_ids: Sequence[MessageId]
    ) -> Mapping[MessageId, Sequence[Reaction]]:
        """Oldest first; without those that were taken back."""
        found: defaultdict[MessageId, list[Reaction]] = defaultdict(list)
        if message_ids:
            places = ", ".join(f"${number}" for number in range(1, len(message_ids) + 1))
            for row in await reader.fetch(_OF_MESSAGES.format(places=places), *message_ids):
                found[MessageId(row["message_id"])].append(await self._reaction(reader, row))
        return found

    async def all_of(self, reader: Reader, message_id: MessageId) -> Sequence[Reaction]:
        """Also those that were taken back, of which the room has yet to be told."""
        return [await self._reaction(reader, row) for row in await reader.fetch(SELECT_ALL_OF, message_id)]

    async def remove(self, tx: Transaction, reaction_id: str, *, at: int) -> bool:
        """Return False where it had been."""
        return bool(await tx.execute(REMOVE, reaction_id, at))

    async def forget(self, tx: Transaction, reaction_id: str) -> None:
        """What was taken back and stands nowhere any more."""
        await tx.execute(FORGET, reaction_id)

    # What stands in the room

    async def put_origin(self, tx: Transaction, origin: Origin) -> None:
        """From now on it stands for this reaction."""
        await tx.execute(PUT_ORIGIN, origin.origin_id, origin.reaction_id, origin.sender)

    async def hand_over(self, tx: Transaction, origin_id: str, *, to: str) -> None:
        """It stands for the reaction `to` from now on."""
        await tx.execute(HAND_OVER, origin_id, to)

    async def delete_origin(self, tx: Transaction, origin_id: str) -> None:
        await tx.execute(DELETE_ORIGIN, origin_id)

    async def origins_of(self, reader: Reader, message_id: MessageId) -> Sequence[Origin]:
        """Of all reactions to the message, whatever has become of them."""
        return [_origin(row) for row in await reader.fetch(SELECT_ORIGINS, message_id)]

    async def origin(self, reader: Reader, conversation_id: ConversationId, origin_id: str) -> Origin | None:
        row = await reader.fetch_one(SELECT_ORIGIN, origin_id, conversation_id)
        return None if row is None else _origin(row)

    async def _reaction(self, reader: Reader, row: Row) -> Reaction:
        emoji = await self._sealer.open(reader, row["emoji"], place=_place(row["reaction_id"]))
        participant_id = row["participant_id"]
        return Reaction(
            reaction_id=row["reaction_id"],
            tenant_id=TenantId(row["tenant_id"]),
            conversation_id=ConversationId(row["conversation_id"]),
            message_id=MessageId(row["message_id"]),
            participant_id=None if participant_id is None else ParticipantId(participant_id),
            outsider=row["outsider"],
            emoji=emoji.decode(),
            created_at=row["created_at"],
            removed_at=row["removed_at"],
        )


def _origin(row: Row) -> Origin:
    return Origin(row["origin_id"], row["reaction_id"], row["sender"])


def _place(reaction_id: str) -> str:
    return f"reactions.emoji:{reaction_id}"
