"""Revocations in the database."""

from collections.abc import Sequence

from bridge.core.caller import Credential
from bridge.core.ids import TenantId
from bridge.storage.database import Reader, Transaction
from bridge.tokens.model import Revocation, RevocationKind

PUT = """
INSERT INTO token_revocations (tenant_id, kind, value, revoked_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, kind, value) DO UPDATE SET revoked_at = excluded.revoked_at
"""
SELECT = """
SELECT kind, revoked_at FROM token_revocations WHERE tenant_id = $1
    AND ((kind = 'token' AND value = $2) OR (kind = 'session' AND value = $3) OR (kind = 'subject' AND value = $4))
"""
# A few at a time, and none that another process is forgetting already.
FORGET = """
DELETE FROM token_revocations WHERE (tenant_id, kind, value) IN (
    SELECT tenant_id, kind, value FROM token_revocations WHERE revoked_at < $1 ORDER BY revoked_at LIMIT 100
    FOR UPDATE SKIP LOCKED)
"""


class RevocationStore:
    async def put(self, tx: Transaction, revocation: Revocation, *, at: int) -> None:
        await tx.execute(PUT, revocation.tenant_id, revocation.kind, revocation.value, at)

    async def of(
        self, reader: Reader, tenant_id: TenantId, credential: Credential
    ) -> Sequence[tuple[RevocationKind, int]]:
        """Those of the token, its session and its subject, each with its time."""
        shown = (credential.token_id, credential.session_id, credential.subject)
        return [(row["kind"], row["revoked_at"]) for row in await reader.fetch(SELECT, tenant_id, *shown)]

    async def forget(self, tx: Transaction, *, before: int) -> None:
        await tx.execute(FORGET, before)
