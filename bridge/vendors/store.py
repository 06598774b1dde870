"""Vendors in the database; how to reach them is sealed, and opened only when it is asked for."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.storage.arguments import Arguments
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer
from bridge.vendors.model import Acquaintance, Declared, Private, Vendor, Work

SCOPE = "vendors"
"""Of the content keys: one for all vendors of a tenant, so that a list of them needs few."""

_COLUMNS = """v.tenant_id, v.vendor_id, p.name, p.vendor_type, p.avatar_url, v.profile, v.status, v.status_until,
    v.created_at, CASE WHEN p.updated_at > v.updated_at THEN p.updated_at ELSE v.updated_at END AS updated_at"""
_VENDORS = f"""
SELECT {_COLUMNS} FROM vendors v JOIN participants p ON p.tenant_id = v.tenant_id AND p.participant_id = v.vendor_id
"""
SELECT = f"{_VENDORS} WHERE v.tenant_id = $1 AND v.vendor_id = $2"
SELECT_PRIVATE = "SELECT vendor_id, private FROM vendors WHERE tenant_id = $1 AND vendor_id = $2"
_PRIVATE_OF = """
SELECT vendor_id, private FROM vendors WHERE tenant_id = $1 AND vendor_id IN ({places}) AND private IS NOT NULL
"""
ENSURE = """
INSERT INTO vendors (tenant_id, vendor_id, created_at, updated_at) VALUES ($1, $2, $3, $3)
ON CONFLICT (tenant_id, vendor_id) DO NOTHING
"""
LOCK = "SELECT 1 FROM vendors WHERE tenant_id = $1 AND vendor_id = $2 FOR UPDATE"
SET_PROFILE = "UPDATE vendors SET profile = $3, updated_at = $4 WHERE tenant_id = $1 AND vendor_id = $2"
SET_PRIVATE = "UPDATE vendors SET private = $3, updated_at = $4 WHERE tenant_id = $1 AND vendor_id = $2"
SET_STATUS = """
UPDATE vendors SET status = $3, status_until = $4, updated_at = $5 WHERE tenant_id = $1 AND vendor_id = $2
"""

# Conversations in which a person takes part with vendors. Who has left is still known there, and not to be reached.
_SHARED = """
FROM conversation_members me
JOIN conversation_members v ON v.conversation_id = me.conversation_id AND v.role = 'vendor'
    AND v.participant_id <> me.participant_id
JOIN conversations c ON c.conversation_id = me.conversation_id AND c.deleted_at IS NULL
WHERE me.tenant_id = $1 AND me.participant_id = {person} AND me.away IS NULL
"""
_ACQUAINTED = f"""
SELECT v.participant_id, MAX(CASE WHEN c.status = 'active' AND v.away IS NULL AND me.role = 'host' THEN 1 ELSE 0 END)
    AS is_open {_SHARED.format(person="$2")} AND v.participant_id IN ({{places}}) GROUP BY v.participant_id
"""
_KNOWN_TO = f"SELECT v.participant_id {_SHARED}"
_OF_PARTY = """
SELECT c.vendor_id FROM conversations c JOIN conversation_parties l ON l.conversation_id = c.conversation_id
WHERE l.tenant_id = $1 AND l.party_id = {party} AND c.deleted_at IS NULL
"""


async def ensure_vendor(tx: Transaction, tenant_id: TenantId, vendor_id: ParticipantId, *, now: int) -> bool:
    """The participant, who is known, is a vendor from now on. Return False, changing nothing, where they are one."""
    return bool(await tx.execute(ENSURE, tenant_id, vendor_id, now))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which vendors of a tenant; None lets all through.

    `known_to`: those with whom this person takes part in a conversation, and themselves if they are one.
    """

    vendor_type: str | None = None
    party_id: PartyId | None = None
    known_to: ParticipantId | None = None


class VendorStore:
    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def get(self, reader: Reader, tenant_id: TenantId, vendor_id: VendorId) -> Vendor | None:
        row = await reader.fetch_one(SELECT, tenant_id, vendor_id)
        return None if row is None else _vendor(row)

    async def newest(
        self,
        reader: Reader,
        tenant_id: TenantId,
        wanted: Filter,
        *,
        before: tuple[int, str] | None,
        limit: int,
    ) -> list[Vendor]:
        """`before`: when the last one seen became known, and its id: neither ever changes."""
        args = Arguments(tenant_id, limit)
        conditions = ["v.tenant_id = $1"]
        if wanted.vendor_type is not None:
            conditions.append(f"p.vendor_type = {args.place(wanted.vendor_type)}")
        if wanted.party_id is not None:
            conditions.append(f"v.vendor_id IN ({_OF_PARTY.format(party=args.place(wanted.party_id))})")
        if wanted.known_to is not None:
            person = args.place(wanted.known_to)
            conditions.append(
                f"(v.vendor_id = {person} OR v.vendor_id IN ({_KNOWN_TO.format(person=person)}))"
            )
        if before is not None:
            conditions.append(f"(v.created_at, v.vendor_id) < ({args.place(*before)})")
        sql = f"{_VENDORS} WHERE {' AND '.join(conditions)} ORDER BY v.created_at DESC, v.vendor_id DESC LIMIT $2"
        return [_vendor(row) for row in await reader.fetch(sql, *args.values)]

    async def lock(self, tx: Transaction, tenant_id: TenantId, vendor_id: VendorId) -> None:
        """Nobody else changes this vendor until the transaction ends."""
        await tx.fetch(LOCK, tenant_id, vendor_id)

    async def set_profile(self, tx: Transaction, vendor: Vendor) -> None:
        """What is theirs as a vendor; the rest is the participant's."""
        profile = {
            "specialties": vendor.specialties,
            "portfolio": [dataclasses.asdict(work) for work in vendor.portfolio],
            "pricing_info": vendor.pricing_info,
        }
        await tx.execute(
            SET_PROFILE, vendor.tenant_id, vendor.vendor_id, json.dumps(profile), self._clock.now()
        )

    async def set_status(
        self, tx: Transaction, tenant_id: TenantId, vendor_id: VendorId, declared: Declared | None
    ) -> None:
        status, until = (None, None) if declared is None else (declared.status, declared.until)
        await tx.execute(SET_STATUS, tenant_id, vendor_id, status, until, self._clock.now())

    # How to reach them

    async def private(self, reader: Reader, tenant_id: TenantId, vendor_id: VendorId) -> Private:
        row = await reader.fetch_one(SELECT_PRIVATE, tenant_id, vendor_id)
        return (
            Private() if row is None or row["private"] is None else await self._opened(reader, tenant_id, row)
        )

    async def private_of(
        self, reader: Reader, tenant_id: TenantId, vendor_ids: Sequence[VendorId]
    ) -> Mapping[VendorId, Private]:
        """Of those of whom something is known."""
        if not vendor_ids:
            return {}
        rows = await reader.fetch(
            _PRIVATE_OF.format(places=places(vendor_ids, first=2)), tenant_id, *vendor_ids
        )
        return {VendorId(row["vendor_id"]): await self._opened(reader, tenant_id, row) for row in rows}

    async def set_private(
        self, tx: Transaction, tenant_id: TenantId, vendor_id: VendorId, private: Private
    ) -> None:
        sealed = await self._sealer.seal(
            tx,
            tenant_id,
            SCOPE,
            json.dumps(dataclasses.asdict(private)).encode(),
            place=_place(tenant_id, vendor_id),
        )
        await tx.execute(SET_PRIVATE, tenant_id, vendor_id, sealed, self._clock.now())

    # Who knows them

    async def acquaintances(
        self, reader: Reader, tenant_id: TenantId, person: ParticipantId, vendor_ids: Sequence[VendorId]
    ) -> Mapping[VendorId, Acquaintance]:
        """With those of these vendors with whom the person takes part in a conversation."""
        if not vendor_ids:
            return {}
        sql = _ACQUAINTED.format(places=places(vendor_ids, first=3))
        return {
            VendorId(row["participant_id"]): Acquaintance(is_open=bool(row["is_open"]))
            for row in await reader.fetch(sql, tenant_id, person, *vendor_ids)
        }

    async def _opened(self, reader: Reader, tenant_id: TenantId, row: Row) -> Private:
        place = _place(tenant_id, row["vendor_id"])
        return Private(**json.loads(await self._sealer.open(reader, row["private"], place=place)))


def places(values: Sequence[str], *, first: int) -> str:
    """For a list in a statement, from `$first` on."""
    return ", ".join(f"${number}" for number in range(first, first + len(values)))


def _place(tenant_id: TenantId, vendor_id: str) -> str:
    return f"vendors.private:{tenant_id}/{vendor_id}"


def _vendor(row: Row) -> Vendor:
    profile: dict[str, Any] = json.loads(row["profile"])
    return Vendor(
        tenant_id=TenantId(row["tenant_id"]),
        vendor_id=VendorId(row["vendor_id"]),
        business_name=row["name"],
        vendor_type=row["vendor_type"],
        avatar_url=row["avatar_url"],
        specialties=tuple(profile.get("specialties", ())),
        portfolio=tuple(Work(**work) for work in profile.get("portfolio", ())),
        pricing_info=profile.get("pricing_info", {}),
        declared=None if row["status"] is None else Declared(status=row["status"], until=row["status_until"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
