"""Which of two statements of the platform about the same is the newer one: by when it made them, not when they came."""

from bridge.core.ids import ParticipantId, TenantId
from bridge.platform.errors import NoEffect
from bridge.storage.database import Reader, Transaction

TELL = """
INSERT INTO platform_told (tenant_id, subject, told_at) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, subject) DO UPDATE SET told_at = excluded.told_at
WHERE platform_told.told_at <= excluded.told_at
"""
SELECT = "SELECT told_at FROM platform_told WHERE tenant_id = $1 AND subject = $2"


def person(participant_id: ParticipantId) -> str:
    """The subject of what is said of a host or a vendor. No id holds a slash."""
    return f"person/{participant_id}"


class Newest:
    async def tell(self, tx: Transaction, tenant_id: TenantId, subject: str, *, told_at: int | None) -> None:
        """Remember that this was said, in epoch ms. Raise `NoEffect` where something newer was applied before.

        None: nobody says when; then what comes later is newer.
        """
        if told_at is not None and not await tx.execute(TELL, tenant_id, subject, told_at):
            raise NoEffect("the platform has said something newer of the same, which was applied before")

    async def is_outdated(
        self, reader: Reader, tenant_id: TenantId, subject: str, *, told_at: int | None
    ) -> bool:
        """Whether something newer was applied; remembering nothing."""
        if told_at is None:
            return False
        newest = await reader.fetch_value(SELECT, tenant_id, subject)
        return newest is not None and told_at < newest
