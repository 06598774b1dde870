"""Participants in the database."""

from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId, TenantId
from bridge.participants.model import Participant
from bridge.storage.database import Reader, Row, Transaction

_COLUMNS = "tenant_id, participant_id, name, mxid, avatar_url, vendor_type"
PUT = f"""
INSERT INTO participants ({_COLUMNS}, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (tenant_id, participant_id) DO UPDATE SET name = excluded.name,
    mxid = COALESCE(excluded.mxid, participants.mxid),
    avatar_url = COALESCE(excluded.avatar_url, participants.avatar_url),
    vendor_type = COALESCE(excluded.vendor_type, participants.vendor_type), updated_at = excluded.updated_at
"""
SET_APPEARANCE = """
UPDATE participants SET name = $3, avatar_url = $4, vendor_type = $5, updated_at = $6
WHERE tenant_id = $1 AND participant_id = $2
"""
SET_MXID = "UPDATE participants SET mxid = $3, updated_at = $4 WHERE tenant_id = $1 AND participant_id = $2"
SELECT_OF_MXID = f"SELECT {_COLUMNS} FROM participants WHERE tenant_id = $1 AND mxid = $2 LIMIT 1"
LOCK = "SELECT 1 FROM participants WHERE tenant_id = $1 AND participant_id = $2 FOR UPDATE"
SELECT = f"SELECT {_COLUMNS} FROM participants WHERE tenant_id = $1 AND participant_id = $2"


class ParticipantStore:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def put(self, tx: Transaction, participant: Participant) -> None:
        """Add or update; what is left out (no MXID, no avatar) does not take away what is known."""
        await tx.execute(
            PUT,
            participant.tenant_id,
            participant.participant_id,
            participant.name,
            participant.mxid,
            participant.avatar_url,
            participant.vendor_type,
            self._clock.now(),
        )

    async def set_appearance(self, tx: Transaction, participant: Participant) -> None:
        """Just as it is here, what is None included; their account stays as it is."""
        await tx.execute(
            SET_APPEARANCE,
            participant.tenant_id,
            participant.participant_id,
            participant.name,
            participant.avatar_url,
            participant.vendor_type,
            self._clock.now(),
        )

    async def set_mxid(
        self, tx: Transaction, tenant_id: TenantId, participant_id: ParticipantId, mxid: str | None
    ) -> None:
        await tx.execute(SET_MXID, tenant_id, participant_id, mxid, self._clock.now())

    async def lock(self, tx: Transaction, tenant_id: TenantId, participant_id: ParticipantId) -> None:
        """Nobody else changes this person until the transaction ends."""
        await tx.fetch(LOCK, tenant_id, participant_id)

    async def of_mxid(self, reader: Reader, tenant_id: TenantId, mxid: str) -> Participant | None:
        row = await reader.fetch_one(SELECT_OF_MXID, tenant_id, mxid)
        return None if row is None else participant_of(row)

    async def get(
        self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId
    ) -> Participant | None:
        row = await reader.fetch_one(SELECT, tenant_id, participant_id)
        return None if row is None else participant_of(row)


def participant_of(row: Row) -> Participant:
    """From a row with all columns of `participants`."""
    return Participant(
        tenant_id=TenantId(row["tenant_id"]),
        participant_id=ParticipantId(row["participant_id"]),
        name=row["name"],
        mxid=row["mxid"],
        avatar_url=row["avatar_url"],
        vendor_type=row["vendor_type"],
    )
