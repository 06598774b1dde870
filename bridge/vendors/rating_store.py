"""What hosts think of vendors, in the database; what they write is sealed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer
from bridge.vendors.model import Rating, Stars
from bridge.vendors.rules import average
from bridge.vendors.store import SCOPE, places

_COLUMNS = "position, host_id, key_party, stars, review, created_at, updated_at"
PUT = """
INSERT INTO vendor_ratings (tenant_id, vendor_id, host_id, key_party, stars, review, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (tenant_id, vendor_id, host_id, key_party) DO UPDATE SET stars = excluded.stars, review = excluded.review,
    updated_at = excluded.updated_at
"""
SELECT = f"""
SELECT {_COLUMNS} FROM vendor_ratings WHERE tenant_id = $1 AND vendor_id = $2 AND host_id = $3 AND key_party = $4
"""
SELECT_NEWEST = f"""
SELECT {_COLUMNS} FROM vendor_ratings WHERE tenant_id = $1 AND vendor_id = $2 ORDER BY position DESC LIMIT $3
"""
SELECT_BEFORE = f"""
SELECT {_COLUMNS} FROM vendor_ratings WHERE tenant_id = $1 AND vendor_id = $2 AND position < $4
ORDER BY position DESC LIMIT $3
"""
_STARS = """
SELECT vendor_id, CAST(SUM(stars) AS BIGINT) AS total, COUNT(*) AS ratings FROM vendor_ratings
WHERE tenant_id = $1 AND vendor_id IN ({places}) GROUP BY vendor_id
"""
PARTIES = """
SELECT DISTINCT p.party_id FROM conversation_members me
JOIN conversation_members v ON v.conversation_id = me.conversation_id AND v.role = 'vendor'
JOIN conversations c ON c.conversation_id = me.conversation_id AND c.deleted_at IS NULL
LEFT JOIN conversation_parties p ON p.conversation_id = c.conversation_id
WHERE me.tenant_id = $1 AND me.participant_id = $2 AND me.role = 'host' AND me.away IS NULL AND v.participant_id = $3
"""
WITHOUT_PARTY = "*"
"""No party's id looks like it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """`position`: of a rating among all, in the order in which they were first given."""

    position: int
    rating: Rating


class RatingStore:
    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def parties(
        self, reader: Reader, tenant_id: TenantId, vendor_id: VendorId, host_id: ParticipantId
    ) -> set[PartyId | None]:
        """For which a host takes part in a conversation with the vendor; None: also, or only, without a party."""
        rows = await reader.fetch(PARTIES, tenant_id, host_id, vendor_id)
        return {None if row["party_id"] is None else PartyId(row["party_id"]) for row in rows}

    async def find(
        self,
        reader: Reader,
        tenant_id: TenantId,
        vendor_id: VendorId,
        *,
        host_id: ParticipantId,
        party_id: PartyId | None,
    ) -> Rating | None:
        key = party_id or WITHOUT_PARTY
        row = await reader.fetch_one(SELECT, tenant_id, vendor_id, host_id, key)
        return None if row is None else await self._rating(reader, tenant_id, vendor_id, row)

    async def put(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        vendor_id: VendorId,
        *,
        host_id: ParticipantId,
        party_id: PartyId | None,
        stars: int,
        review: str | None,
    ) -> None:
        """In the place of what they thought before."""
        key, sealed = party_id or WITHOUT_PARTY, None
        if review is not None:
            place = _place(tenant_id, vendor_id, host_id, key)
            sealed = await self._sealer.seal(tx, tenant_id, SCOPE, review.encode(), place=place)
        await tx.execute(PUT, tenant_id, vendor_id, host_id, key, stars, sealed, self._clock.now())

    async def newest(
        self, reader: Reader, tenant_id: TenantId, vendor_id: VendorId, *, before: int | None, limit: int
    ) -> list[Placed]:
        """The one that was first given last comes first; `before`: the position of the last one seen."""
        if before is None:
            rows = await reader.fetch(SELECT_NEWEST, tenant_id, vendor_id, limit)
        else:
            rows = await reader.fetch(SELECT_BEFORE, tenant_id, vendor_id, limit, before)
        return [
            Placed(row["position"], await self._rating(reader, tenant_id, vendor_id, row)) for row in rows
        ]

    async def stars(
        self, reader: Reader, tenant_id: TenantId, vendor_ids: Sequence[VendorId]
    ) -> Mapping[VendorId, Stars]:
        """Of those whom somebody has rated."""
        if not vendor_ids:
            return {}
        sql = _STARS.format(places=places(vendor_ids, first=2))
        return {
            VendorId(row["vendor_id"]): Stars(average(row["total"], row["ratings"]), row["ratings"])
            for row in await reader.fetch(sql, tenant_id, *vendor_ids)
        }

    async def _rating(self, reader: Reader, tenant_id: TenantId, vendor_id: VendorId, row: Row) -> Rating:
        host_id, key, review = row["host_id"], row["key_party"], None
        if row["review"] is not None:
            place = _place(tenant_id, vendor_id, host_id, key)
            review = (await self._sealer.open(reader, row["review"], place=place)).decode()
        return Rating(
            host_id=ParticipantId(host_id),
            party_id=None if key == WITHOUT_PARTY else PartyId(key),
            stars=row["stars"],
            review=review,
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


def _place(tenant_id: TenantId, vendor_id: VendorId, host_id: str, key_party: str) -> str:
    return f"vendor_ratings.review:{tenant_id}/{vendor_id}/{host_id}/{key_party}"
