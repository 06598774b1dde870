"""Participants in the database."""

from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.participants.model import Participant
from bridge.storage.database import Reader, Row, Transaction

_COLUMNS = "p.tenant_id, p.participant_id, p.role, p.name, p.mxid, p.avatar_url"
PUT = """
INSERT INTO participants (tenant_id, participant_id, role, name, mxid, avatar_url, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (tenant_id, participant_id) DO UPDATE SET name = excluded.name,
    mxid = COALESCE(excluded.mxid, participants.mxid),
    avatar_url = COALESCE(excluded.avatar_url, participants.avatar_url), updated_at = excluded.updated_at
"""
SELECT = f"SELECT {_COLUMNS} FROM participants p WHERE p.tenant_id = $1 AND p.participant_id = $2"
SELECT_OF_CONVERSATION = f"""
SELECT {_COLUMNS} FROM participants p JOIN conversation_members m
    ON m.tenant_id = p.tenant_id AND m.participant_id = p.participant_id
WHERE m.conversation_id = $1 ORDER BY m.joined_at, p.participant_id
"""


class ParticipantStore:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def put(self, tx: Transaction, participant: Participant) -> None:
        """Add or update; what is left out (no MXID, no avatar) does not take away what is known."""
        await tx.execute(
            PUT,
            participant.tenant_id,
            participant.participant_id,
            participant.role,
            participant.name,
            participant.mxid,
            participant.avatar_url,
            self._clock.now(),
        )

    async def get(
        self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId
    ) -> Participant | None:
        row = await reader.fetch_one(SELECT, tenant_id, participant_id)
        return None if row is None else _participant(row)

    async def of_conversation(self, reader: Reader, conversation_id: ConversationId) -> list[Participant]:
        return [_participant(row) for row in await reader.fetch(SELECT_OF_CONVERSATION, conversation_id)]


def _participant(row: Row) -> Participant:
    return Participant(
        tenant_id=TenantId(row["tenant_id"]),
        participant_id=ParticipantId(row["participant_id"]),
        role=row["role"],
        name=row["name"],
        mxid=row["mxid"],
        avatar_url=row["avatar_url"],
    )
