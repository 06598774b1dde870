"""Absences, recaps and what they repeat, in the database. It holds no text: that is read from the messages."""

from collections.abc import Sequence

from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.recap.model import Recap, Said, State
from bridge.storage.database import Reader, Row, Transaction

_COLUMNS = """recap_id, tenant_id, conversation_id, participant_id, address, state, asked_at, invited_at, found_at,
    found_before, joined_at, private, left_out, earliest, origin_id"""
INSERT = """
INSERT INTO recaps (recap_id, tenant_id, conversation_id, participant_id, address, state, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (conversation_id, participant_id) DO NOTHING
"""
SELECT = f"SELECT {_COLUMNS} FROM recaps WHERE recap_id = $1"
SELECT_OF = f"SELECT {_COLUMNS} FROM recaps WHERE conversation_id = $1 AND participant_id = $2 FOR UPDATE"
SELECT_OF_ADDRESS = f"""
SELECT {_COLUMNS} FROM recaps WHERE address = $1 AND state IN ({{states}}) ORDER BY recap_id FOR UPDATE
"""
SAVE = """
UPDATE recaps SET state = $2, asked_at = $3, invited_at = $4, found_at = $5, found_before = $6, joined_at = $7
WHERE recap_id = $1
"""
SET_DUE = "UPDATE recaps SET state = 'due' WHERE recap_id = $1 AND state = 'back'"
SET_FIXED = "UPDATE recaps SET private = $2, left_out = $3, earliest = $4 WHERE recap_id = $1"
SET_FINGERPRINT = "UPDATE recaps SET fingerprint = $2 WHERE recap_id = $1"
SELECT_FINGERPRINT = "SELECT fingerprint FROM recaps WHERE recap_id = $1"
SET_TOLD = "UPDATE recaps SET state = 'told', origin_id = $2 WHERE recap_id = $1"
DELETE = "DELETE FROM recaps WHERE recap_id = $1"
DELETE_SOURCES = "DELETE FROM recap_sources WHERE recap_id = $1"
INSERT_SOURCE = "INSERT INTO recap_sources (recap_id, message_id) VALUES ($1, $2)"
SELECT_SOURCES = """
SELECT s.message_id FROM recap_sources s JOIN messages m ON m.message_id = s.message_id
WHERE s.recap_id = $1 ORDER BY m.position
"""
# One that is on its way may repeat the message as it was before: what it repeats is noted when it is encrypted.
MARK_CHANGED = """
UPDATE recaps SET changed = 1 WHERE changed = 0 AND conversation_id = $1 AND (state = 'due'
    OR (state = 'told' AND recap_id IN (SELECT recap_id FROM recap_sources WHERE message_id = $2)))
RETURNING recap_id
"""
CLEAR_CHANGED = "UPDATE recaps SET changed = 0 WHERE recap_id = $1"
SELECT_SAID = """
SELECT message_id, position, created_at, from_client FROM messages
WHERE conversation_id = $1 AND status = 'sent' AND deleted_at IS NULL AND created_at >= $2 ORDER BY position
"""
SELECT_UNSENT = "SELECT MIN(position) FROM messages WHERE conversation_id = $1 AND status = 'pending'"
SELECT_LAST = "SELECT MAX(position) FROM messages WHERE conversation_id = $1"


class RecapStore:
    async def insert(self, tx: Transaction, recap: Recap) -> bool:
        """Return False, changing nothing, where this person has one in this conversation: for ever, once told."""
        added = await tx.execute(
            INSERT,
            recap.recap_id,
            recap.tenant_id,
            recap.conversation_id,
            recap.participant_id,
            recap.address,
            recap.state,
            recap.asked_at,
        )
        return bool(added)

    async def get(self, reader: Reader, recap_id: str) -> Recap | None:
        return _recap(await reader.fetch_one(SELECT, recap_id))

    async def of(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> Recap | None:
        return _recap(await tx.fetch_one(SELECT_OF, conversation_id, participant_id))

    async def of_address(self, tx: Transaction, address: str, *states: State) -> list[Recap]:
        """In all conversations."""
        places = ", ".join(f"${number}" for number in range(2, len(states) + 2))
        rows = await tx.fetch(SELECT_OF_ADDRESS.format(states=places), address, *states)
        return [_known(row) for row in rows]

    async def save(self, tx: Transaction, recap: Recap) -> None:
        """Its state and times."""
        await tx.execute(
            SAVE,
            recap.recap_id,
            recap.state,
            recap.asked_at,
            recap.invited_at,
            recap.found_at,
            recap.found_before,
            recap.joined_at,
        )

    async def set_due(self, tx: Transaction, recap_id: str) -> bool:
        """Return False where it is due already."""
        return bool(await tx.execute(SET_DUE, recap_id))

    async def fix(
        self,
        tx: Transaction,
        recap_id: str,
        *,
        private: bool,
        sources: Sequence[MessageId],
        left_out: int,
        earliest: MessageId | None,
    ) -> None:
        """What it repeats, and where it is told, is settled; in place of what may have been settled before."""
        await tx.execute(DELETE_SOURCES, recap_id)
        await tx.execute(SET_FIXED, recap_id, int(private), left_out, earliest)
        await tx.execute_many(INSERT_SOURCE, [(recap_id, message_id) for message_id in sources])

    async def set_fingerprint(self, tx: Transaction, recap_id: str, fingerprint: bytes) -> None:
        await tx.execute(SET_FINGERPRINT, recap_id, fingerprint)

    async def fingerprint(self, reader: Reader, recap_id: str) -> bytes | None:
        """Of what it says at the place where it was told."""
        found: bytes | None = await reader.fetch_value(SELECT_FINGERPRINT, recap_id)
        return found

    async def set_told(self, tx: Transaction, recap_id: str, *, origin_id: str) -> None:
        await tx.execute(SET_TOLD, recap_id, origin_id)

    async def delete(self, tx: Transaction, recap_id: str) -> None:
        """Only one that repeats nothing yet."""
        await tx.execute(DELETE, recap_id)

    async def sources(self, reader: Reader, recap_id: str) -> list[MessageId]:
        """Oldest first."""
        return [MessageId(row["message_id"]) for row in await reader.fetch(SELECT_SOURCES, recap_id)]

    async def mark_changed(
        self, tx: Transaction, conversation_id: ConversationId, message_id: MessageId
    ) -> list[str]:
        """The recaps that (may) repeat the message and are not known to need an edit yet."""
        return [row["recap_id"] for row in await tx.fetch(MARK_CHANGED, conversation_id, message_id)]

    async def clear_changed(self, tx: Transaction, recap_id: str) -> None:
        await tx.execute(CLEAR_CHANGED, recap_id)

    async def said_since(self, reader: Reader, conversation_id: ConversationId, since: int) -> list[Said]:
        """What the conversation holds, and has not been deleted; oldest first. `since`: in epoch ms."""
        rows = await reader.fetch(SELECT_SAID, conversation_id, since)
        return [
            Said(MessageId(row["message_id"]), row["position"], row["created_at"], bool(row["from_client"]))
            for row in rows
        ]

    async def first_unsent(self, reader: Reader, conversation_id: ConversationId) -> int | None:
        """The position of the oldest of our messages that are not delivered yet: they leave in their order."""
        position: int | None = await reader.fetch_value(SELECT_UNSENT, conversation_id)
        return position

    async def last(self, reader: Reader, conversation_id: ConversationId) -> int:
        position: int | None = await reader.fetch_value(SELECT_LAST, conversation_id)
        return position or 0


def _recap(row: Row | None) -> Recap | None:
    return None if row is None else _known(row)


def _known(row: Row) -> Recap:
    earliest = row["earliest"]
    return Recap(
        recap_id=row["recap_id"],
        tenant_id=TenantId(row["tenant_id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        participant_id=ParticipantId(row["participant_id"]),
        address=row["address"],
        state=row["state"],
        asked_at=row["asked_at"],
        invited_at=row["invited_at"],
        found_at=row["found_at"],
        found_before=row["found_before"],
        joined_at=row["joined_at"],
        private=bool(row["private"]),
        left_out=row["left_out"],
        earliest=None if earliest is None else MessageId(earliest),
        origin_id=row["origin_id"],
    )
