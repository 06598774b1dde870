"""What the sockets look up: entries of the feed by party, vendor and person, and who takes part in what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, VendorId
from bridge.feed.model import Entry
from bridge.feed.store import entry_of
from bridge.storage.database import Reader
from bridge.vendors.events import place_of

_ENTRIES = """
SELECT f.seq, f.event_id, f.tenant_id, f.conversation_id, f.number, f.kind, f.event, f.about, f.created_at FROM feed f
"""
OF_PARTY = f"""{_ENTRIES} JOIN conversation_parties p ON p.conversation_id = f.conversation_id
WHERE p.tenant_id = $1 AND p.party_id = $2 AND f.seq > $3 AND f.seq <= $4 ORDER BY f.seq LIMIT $5
"""
OF_VENDOR = f"""{_ENTRIES} JOIN conversations c ON c.conversation_id = f.conversation_id
WHERE c.tenant_id = $1 AND c.vendor_id = $2 AND f.seq > $3 AND f.seq <= $4 ORDER BY f.seq LIMIT $5
"""
OF_USER = f"""{_ENTRIES} JOIN conversation_members m ON m.conversation_id = f.conversation_id
WHERE m.tenant_id = $1 AND m.participant_id = $2 AND m.away IS NULL AND f.seq > $3 AND f.seq <= $4
ORDER BY f.seq LIMIT $5
"""
TAKES_PART = """
SELECT 1 FROM conversation_parties p JOIN conversations c ON c.conversation_id = p.conversation_id
JOIN conversation_members m ON m.conversation_id = p.conversation_id
WHERE p.tenant_id = $1 AND p.party_id = $2 AND m.participant_id = $3 AND m.away IS NULL AND c.deleted_at IS NULL LIMIT 1
"""
HAS_PARTY = """
SELECT 1 FROM conversation_parties p JOIN conversations c ON c.conversation_id = p.conversation_id
WHERE p.tenant_id = $1 AND p.party_id = $2 AND c.deleted_at IS NULL LIMIT 1
"""
HAS_VENDOR = (
    "SELECT 1 FROM conversations WHERE tenant_id = $1 AND vendor_id = $2 AND deleted_at IS NULL LIMIT 1"
)
OF_PERSON = """
SELECT c.conversation_id, p.party_id, c.vendor_id FROM conversation_members m
JOIN conversations c ON c.conversation_id = m.conversation_id
LEFT JOIN conversation_parties p ON p.conversation_id = c.conversation_id
WHERE m.tenant_id = $1 AND m.participant_id = $2 AND m.away IS NULL AND c.deleted_at IS NULL
ORDER BY c.updated_at DESC, c.conversation_id LIMIT $3
"""
POSITION = "SELECT position FROM messages WHERE message_id = $1"
READ_POSITION = "SELECT position FROM read_positions WHERE conversation_id = $1 AND participant_id = $2"
_OF = {"party": OF_PARTY, "vendor": OF_VENDOR, "user": OF_USER}

# Conversations with a vendor, and who else is in them.
_MEETINGS = """
FROM conversation_members v JOIN conversations c ON c.conversation_id = v.conversation_id AND c.deleted_at IS NULL
JOIN conversation_members m ON m.conversation_id = v.conversation_id
LEFT JOIN conversation_parties p ON p.conversation_id = v.conversation_id
WHERE v.role = 'vendor'
"""
MEETINGS = f"""
SELECT DISTINCT p.party_id, m.participant_id, m.away {_MEETINGS} AND v.tenant_id = $1 AND v.participant_id = $2
"""
_PLACES = f"SELECT 'vendor/' || v.tenant_id || '/' || v.participant_id {_MEETINGS}"
_PAGE = "AND f.seq > $3 AND f.seq <= $4 ORDER BY f.seq LIMIT $5"
TO_VENDOR = f"{_ENTRIES} WHERE f.conversation_id = $1 AND f.seq > $2 AND f.seq <= $3 ORDER BY f.seq LIMIT $4"
TO_VENDORS_OF_PARTY = f"""
{_ENTRIES} WHERE f.conversation_id IN ({_PLACES} AND p.tenant_id = $1 AND p.party_id = $2) {_PAGE}
"""
TO_VENDORS_OF_USER = f"""
{_ENTRIES} WHERE f.conversation_id IN
    ({_PLACES} AND m.tenant_id = $1 AND m.participant_id = $2 AND m.away IS NULL) {_PAGE}
"""
TO_VENDORS_MET_IN_PARTY = f"""
{_ENTRIES} WHERE f.conversation_id IN
    ({_PLACES} AND p.tenant_id = $1 AND p.party_id = $2 AND m.participant_id = $6 AND m.away IS NULL) {_PAGE}
"""

MOST_CONVERSATIONS = 1_000


@dataclass(frozen=True, slots=True)
class Shared:
    """A conversation in which somebody takes part."""

    conversation_id: ConversationId
    party_ids: Sequence[PartyId]
    vendor_id: VendorId | None


@dataclass(frozen=True, slots=True)
class Meeting:
    """Somebody has a conversation with a vendor. `party_id` None: for no party. `is_there`: they take part in it."""

    party_id: PartyId | None
    participant_id: ParticipantId
    is_there: bool


class SocketStore:
    async def entries(
        self,
        reader: Reader,
        tenant_id: TenantId,
        kind: Literal["party", "vendor", "user"],
        of: str,
        *,
        person: ParticipantId | None,
        after: int,
        up_to: int,
        limit: int,
    ) -> list[Entry]:
        """Of conversations and, in the same order, of vendors: the one it is of, or those of the conversations.

        `person`: only of those vendors of a party whom they meet there; None: of all.
        """
        page = (after, up_to, limit)
        rows = await reader.fetch(_OF[kind], tenant_id, of, *page)
        if kind == "vendor":
            told = await reader.fetch(TO_VENDOR, place_of(tenant_id, VendorId(of)), *page)
        elif kind == "user":
            told = await reader.fetch(TO_VENDORS_OF_USER, tenant_id, of, *page)
        elif person is None:
            told = await reader.fetch(TO_VENDORS_OF_PARTY, tenant_id, of, *page)
        else:
            told = await reader.fetch(TO_VENDORS_MET_IN_PARTY, tenant_id, of, *page, person)
        return sorted(map(entry_of, [*rows, *told]), key=lambda entry: entry.seq)[:limit]

    async def position(self, reader: Reader, entry: Entry) -> int | None:
        """Of the message that it is about, or as far as which somebody has read; None: it is about none."""
        message_id, reader_id = entry.about.get("message_id"), entry.about.get("reader_id")
        found: int | None = None
        if message_id is not None:
            found = await reader.fetch_value(POSITION, message_id)
        elif reader_id is not None:
            found = await reader.fetch_value(READ_POSITION, entry.conversation_id, reader_id)
        return found

    async def meetings(self, reader: Reader, tenant_id: TenantId, vendor_id: VendorId) -> set[Meeting]:
        return {
            Meeting(row["party_id"], row["participant_id"], is_there=row["away"] is None)
            for row in await reader.fetch(MEETINGS, tenant_id, vendor_id)
        }

    async def takes_part_in_party(
        self, reader: Reader, tenant_id: TenantId, party_id: PartyId, participant_id: ParticipantId
    ) -> bool:
        return await reader.fetch_value(TAKES_PART, tenant_id, party_id, participant_id) is not None

    async def has_party(self, reader: Reader, tenant_id: TenantId, party_id: PartyId) -> bool:
        return await reader.fetch_value(HAS_PARTY, tenant_id, party_id) is not None

    async def has_vendor(self, reader: Reader, tenant_id: TenantId, vendor_id: str) -> bool:
        return await reader.fetch_value(HAS_VENDOR, tenant_id, vendor_id) is not None

    async def conversations_of(
        self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId
    ) -> list[Shared]:
        """Those in which something changed last."""
        rows = await reader.fetch(OF_PERSON, tenant_id, participant_id, MOST_CONVERSATIONS)
        parties: dict[tuple[ConversationId, VendorId | None], list[PartyId]] = {}
        for row in rows:
            there = parties.setdefault((row["conversation_id"], row["vendor_id"]), [])
            if row["party_id"] is not None:
                there.append(row["party_id"])
        return [Shared(here, party_ids, vendor_id) for (here, vendor_id), party_ids in parties.items()]
