"""Who is told what happens to a vendor, which is in no conversation: who has one with them, and the vendor."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from bridge.core.caller import Caller
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.feed.model import Entry
from bridge.feed.store import entry_of
from bridge.sockets.scope import Kind, Scope
from bridge.storage.database import Reader
from bridge.vendors.events import place_of

TOLD: Mapping[str, frozenset[Kind]] = {
    "availability": frozenset({"party", "vendor", "user"}),
    "vendor.updated": frozenset({"party", "vendor"}),
    "vendor.rated": frozenset({"vendor"}),
}
"""Kind of entry, and which sockets tell of it."""

_ENTRIES = """
SELECT f.seq, f.event_id, f.tenant_id, f.conversation_id, f.number, f.kind, f.about, f.created_at FROM feed f
"""
_PAGE = "AND f.seq > $3 AND f.seq <= $4 ORDER BY f.seq LIMIT $5"
_PLACES = "SELECT 'vendor/' || c.tenant_id || '/' || c.vendor_id FROM conversations c"
OF_VENDOR = f"{_ENTRIES} WHERE f.tenant_id = $1 AND f.conversation_id = $2 {_PAGE}"
OF_PARTY = f"""{_ENTRIES} WHERE f.conversation_id IN ({_PLACES}
    JOIN conversation_parties p ON p.conversation_id = c.conversation_id
    WHERE p.tenant_id = $1 AND p.party_id = $2 AND c.vendor_id IS NOT NULL AND c.deleted_at IS NULL) {_PAGE}
"""
OF_USER = f"""{_ENTRIES} WHERE f.conversation_id IN ({_PLACES}
    JOIN conversation_members m ON m.conversation_id = c.conversation_id
    WHERE m.tenant_id = $1 AND m.participant_id = $2 AND m.away IS NULL AND c.vendor_id IS NOT NULL
        AND c.deleted_at IS NULL) {_PAGE}
"""
IS_OF_PARTY = """
SELECT 1 FROM conversations c JOIN conversation_parties p ON p.conversation_id = c.conversation_id
WHERE p.tenant_id = $1 AND p.party_id = $2 AND c.vendor_id = $3 AND c.deleted_at IS NULL LIMIT 1
"""
MEETS_IN_PARTY = """
SELECT 1 FROM conversations c JOIN conversation_parties p ON p.conversation_id = c.conversation_id
JOIN conversation_members m ON m.conversation_id = c.conversation_id
WHERE p.tenant_id = $1 AND p.party_id = $2 AND c.vendor_id = $3 AND c.deleted_at IS NULL AND m.participant_id = $4
    AND m.away IS NULL LIMIT 1
"""
MEETS = """
SELECT 1 FROM conversation_members m JOIN conversations c ON c.conversation_id = m.conversation_id
WHERE m.tenant_id = $1 AND m.participant_id = $2 AND m.away IS NULL AND c.vendor_id = $3 AND c.deleted_at IS NULL
LIMIT 1
"""


class Listener(Protocol):
    @property
    def caller(self) -> Caller: ...

    @property
    def scope(self) -> Scope: ...


L = TypeVar("L", bound=Listener)


async def entries_of(
    reader: Reader, tenant_id: TenantId, kind: Kind, of: str, *, after: int, up_to: int, limit: int
) -> list[Entry]:
    """What happened to the vendors of a party, to a vendor, or to those whom a person has conversations with."""
    match kind:
        case "vendor":
            place = place_of(tenant_id, VendorId(of))
            rows = await reader.fetch(OF_VENDOR, tenant_id, place, after, up_to, limit)
        case "party":
            rows = await reader.fetch(OF_PARTY, tenant_id, of, after, up_to, limit)
        case "user":
            rows = await reader.fetch(OF_USER, tenant_id, of, after, up_to, limit)
    return [entry_of(row) for row in rows]


async def concerned_of(reader: Reader, entry: Entry, sockets: Sequence[L]) -> list[L]:
    """Those of these sockets, all of the entry's tenant, that tell of it."""
    vendor_id = VendorId(entry.about["vendor_id"])
    told: dict[tuple[Scope, ParticipantId | None], bool] = {}
    found = []
    for socket in sockets:
        if socket.scope.kind not in TOLD[entry.kind]:
            continue
        person = socket.caller.participant_id if socket.caller.is_person else None
        asked = (socket.scope, person)
        if asked not in told:
            told[asked] = await _is_told(reader, entry.tenant_id, vendor_id, socket.scope, person)
        if told[asked]:
            found.append(socket)
    return found


async def _is_told(
    reader: Reader, tenant_id: TenantId, vendor_id: VendorId, scope: Scope, person: ParticipantId | None
) -> bool:
    """`person`: who alone listens; None: the platform or its staff."""
    match scope.kind:
        case "vendor":
            return scope.id == vendor_id
        case "party" if person is None:
            return await reader.fetch_value(IS_OF_PARTY, tenant_id, PartyId(scope.id), vendor_id) is not None
        case "party":
            asked = (tenant_id, PartyId(scope.id), vendor_id, person)
            return await reader.fetch_value(MEETS_IN_PARTY, *asked) is not None
        case "user":
            return await reader.fetch_value(MEETS, tenant_id, scope.id, vendor_id) is not None
