"""Which of two statements of the platform about the same is the newer one: by when it made them, not when they came."""

from collections.abc import Collection

from bridge.core.ids import ParticipantId, TenantId
from bridge.platform.errors import NoEffect
from bridge.storage.database import Transaction

_TELL = """
INSERT INTO platform_told (tenant_id, subject, told_at) VALUES {rows}
ON CONFLICT (tenant_id, subject) DO UPDATE SET told_at = excluded.told_at
WHERE platform_told.told_at <= excluded.told_at RETURNING subject
"""


def field(participant_id: ParticipantId, name: str) -> str:
    """The subject of what is said of this field of a host or a vendor. No id holds a slash."""
    return f"person/{participant_id}/{name}"


def outdated() -> NoEffect:
    return NoEffect("the platform has said something newer of the same, which was applied before")


class Newest:
    async def tell(self, tx: Transaction, tenant_id: TenantId, subject: str, *, told_at: int) -> None:
        """Remember that this was said, in epoch ms. Raise `NoEffect` where something newer was applied before."""
        if not await self.of(tx, tenant_id, [subject], told_at=told_at):
            raise outdated()

    async def of(
        self, tx: Transaction, tenant_id: TenantId, subjects: Collection[str], *, told_at: int
    ) -> set[str]:
        """Remember that something was said of each. Return those of which nothing newer was applied before."""
        if not subjects:
            return set()
        # In one order, whoever tells: two that tell in another could wait for each other.
        told = sorted(set(subjects))
        rows = ", ".join(f"($1, ${place}, $2)" for place in range(3, len(told) + 3))
        return {row["subject"] for row in await tx.fetch(_TELL.format(rows=rows), tenant_id, told_at, *told)}
