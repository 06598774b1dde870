"""Who asked to be erased: asked by everything that would do something in their name, or tell them something."""

from collections.abc import Collection

from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId, TenantId
from bridge.participants.errors import PersonErased
from bridge.storage.database import Reader, Transaction

REASON = "asked to be erased"

INSERT = """
INSERT INTO erasures (tenant_id, participant_id, asked_at) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, participant_id) DO NOTHING
"""
IS_ERASED = "SELECT 1 FROM erasures WHERE tenant_id = $1 AND participant_id = $2"
_AMONG = "SELECT participant_id FROM erasures WHERE tenant_id = $1 AND participant_id IN ({places})"
IS_ACCOUNT = """
SELECT 1 FROM participants p JOIN erasures e ON e.tenant_id = p.tenant_id AND e.participant_id = p.participant_id
WHERE p.tenant_id = $1 AND p.mxid = $2
"""


class ErasureStore:
    async def insert(
        self, tx: Transaction, tenant_id: TenantId, participant_id: ParticipantId, clock: Clock
    ) -> bool:
        """Return False, changing nothing, where they have asked before."""
        return bool(await tx.execute(INSERT, tenant_id, participant_id, clock.now()))

    async def is_erased(self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId) -> bool:
        return await reader.fetch_value(IS_ERASED, tenant_id, participant_id) is not None

    async def is_account(self, reader: Reader, tenant_id: TenantId, mxid: str) -> bool:
        """Whether it is the account of somebody who asked to be erased."""
        return await reader.fetch_value(IS_ACCOUNT, tenant_id, mxid) is not None

    async def among(
        self, reader: Reader, tenant_id: TenantId, participant_ids: Collection[ParticipantId]
    ) -> set[ParticipantId]:
        """Those of them who asked to be erased."""
        if not participant_ids:
            return set()
        places = ", ".join(f"${number}" for number in range(2, len(participant_ids) + 2))
        rows = await reader.fetch(_AMONG.format(places=places), tenant_id, *participant_ids)
        return {ParticipantId(row["participant_id"]) for row in rows}

    async def check(self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId) -> None:
        if await self.is_erased(reader, tenant_id, participant_id):
            raise PersonErased(
                f"{participant_id} {REASON}. Nothing was changed. Leave them out; somebody new has a new id."
            )
