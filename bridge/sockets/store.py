"""What the sockets look up: entries of the feed by party, vendor and person, and who takes part in what."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, VendorId
from bridge.feed.model import Entry
from bridge.feed.store import entry_of
from bridge.storage.database import Reader
from bridge.vendors.events import place_of

# Conversations. $2: the id of their party, or their own.
_OF_PARTY = """
SELECT conversation_id FROM conversation_parties WHERE tenant_id = $1 AND party_id = $2
UNION SELECT conversation_id FROM conversations WHERE tenant_id = $1 AND conversation_id = $2
"""
# Those that a vendor was asked in, and those in which they take part beside others.
_OF_VENDOR = """
SELECT conversation_id FROM conversations WHERE tenant_id = $1 AND vendor_id = $2
UNION SELECT conversation_id FROM conversation_members
    WHERE tenant_id = $1 AND participant_id = $2 AND role = 'vendor' AND away IS NULL
"""
_OF_USER = """
SELECT conversation_id FROM conversation_members WHERE tenant_id = $1 AND participant_id = $2 AND away IS NULL
"""
_ENTRIES = """
SELECT f.seq, f.event_id, f.tenant_id, f.conversation_id, f.number, f.kind, f.event, f.about, f.created_at FROM feed f
"""
_PAGE = "AND f.seq > $3 AND f.seq <= $4 ORDER BY f.seq LIMIT $5"
OF_PARTY = f"{_ENTRIES} WHERE f.conversation_id IN ({_OF_PARTY}) {_PAGE}"
OF_VENDOR = f"{_ENTRIES} WHERE f.conversation_id IN ({_OF_VENDOR}) {_PAGE}"
OF_USER = f"{_ENTRIES} WHERE f.conversation_id IN ({_OF_USER}) {_PAGE}"
_OF = {"party": OF_PARTY, "vendor": OF_VENDOR, "user": OF_USER}

_THERE_IS = "SELECT 1 FROM conversations c {more} WHERE c.conversation_id IN ({of}) AND c.deleted_at IS NULL"
HAS_PARTY = f"{_THERE_IS.format(of=_OF_PARTY, more='')} LIMIT 1"
HAS_VENDOR = f"{_THERE_IS.format(of=_OF_VENDOR, more='')} LIMIT 1"
_WITH_MEMBERS = "JOIN conversation_members m ON m.conversation_id = c.conversation_id"
TAKES_PART = f"""
{_THERE_IS.format(of=_OF_PARTY, more=_WITH_MEMBERS)} AND m.participant_id = $3 AND m.away IS NULL LIMIT 1
"""
OF_PERSON = """
SELECT c.conversation_id, p.party_id, c.vendor_id, v.participant_id FROM conversation_members m
JOIN conversations c ON c.conversation_id = m.conversation_id
LEFT JOIN conversation_parties p ON p.conversation_id = c.conversation_id
LEFT JOIN conversation_members v ON v.conversation_id = c.conversation_id AND v.role = 'vendor' AND v.away IS NULL
WHERE m.tenant_id = $1 AND m.participant_id = $2 AND m.away IS NULL AND c.deleted_at IS NULL
ORDER BY c.updated_at DESC, c.conversation_id LIMIT $3
"""
POSITION = "SELECT position FROM messages WHERE message_id = $1"
READ_POSITION = "SELECT position FROM read_positions WHERE conversation_id = $1 AND participant_id = $2"

# Conversations with a vendor, and who else is in them.
_MEETINGS = """
FROM conversation_members v JOIN conversations c ON c.conversation_id = v.conversation_id AND c.deleted_at IS NULL
JOIN conversation_members m ON m.conversation_id = v.conversation_id
LEFT JOIN conversation_parties p ON p.conversation_id = v.conversation_id
WHERE v.role = 'vendor'
"""
MEETINGS = f"""
SELECT DISTINCT v.conversation_id, p.party_id, m.participant_id, m.away {_MEETINGS}
    AND v.tenant_id = $1 AND v.participant_id = $2
"""
_PLACES = f"SELECT 'vendor/' || v.tenant_id || '/' || v.participant_id {_MEETINGS}"
TO_VENDOR = f"{_ENTRIES} WHERE f.conversation_id = $1 AND f.seq > $2 AND f.seq <= $3 ORDER BY f.seq LIMIT $4"
TO_VENDORS_OF_PARTY = f"""
{_ENTRIES} WHERE f.conversation_id IN ({_PLACES} AND v.conversation_id IN ({_OF_PARTY})) {_PAGE}
"""
TO_VENDORS_OF_USER = f"""
{_ENTRIES} WHERE f.conversation_id IN
    ({_PLACES} AND m.tenant_id = $1 AND m.participant_id = $2 AND m.away IS NULL) {_PAGE}
"""
TO_VENDORS_MET_IN_PARTY = f"""
{_ENTRIES} WHERE f.conversation_id IN
    ({_PLACES} AND v.conversation_id IN ({_OF_PARTY}) AND m.participant_id = $6 AND m.away IS NULL) {_PAGE}
"""

MOST_CONVERSATIONS = 1_000


@dataclass(frozen=True, slots=True)
class Shared:
    """A conversation in which somebody takes part. `vendors`: whose it is, and who take part in it, too."""

    conversation_id: ConversationId
    party_ids: Collection[PartyId]
    vendors: Collection[ParticipantId]


@dataclass(frozen=True, slots=True)
class Meeting:
    """Somebody has a conversation with a vendor. `party_id` None: for no party. `is_there`: they take part in it."""

    conversation_id: ConversationId
    party_id: PartyId | None
    participant_id: ParticipantId
    is_there: bool

    @property
    def places(self) -> Collection[str]:
        """The ids by which sockets are about it."""
        return [self.conversation_id, *([] if self.party_id is None else [self.party_id])]


class SocketStore:
    """`party`: the id of a party, or of one conversation."""

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
            Meeting(
                row["conversation_id"], row["party_id"], row["participant_id"], is_there=row["away"] is None
            )
            for row in await reader.fetch(MEETINGS, tenant_id, vendor_id)
        }

    async def takes_part(
        self, reader: Reader, tenant_id: TenantId, party: str, participant_id: ParticipantId
    ) -> bool:
        return await reader.fetch_value(TAKES_PART, tenant_id, party, participant_id) is not None

    async def has_party(self, reader: Reader, tenant_id: TenantId, party: str) -> bool:
        return await reader.fetch_value(HAS_PARTY, tenant_id, party) is not None

    async def has_vendor(self, reader: Reader, tenant_id: TenantId, vendor_id: str) -> bool:
        return await reader.fetch_value(HAS_VENDOR, tenant_id, vendor_id) is not None

    async def conversations_of(
        self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId
    ) -> list[Shared]:
        """Those in which something changed last."""
        parties: dict[ConversationId, set[PartyId]] = {}
        vendors: dict[ConversationId, set[ParticipantId]] = {}
        for row in await reader.fetch(OF_PERSON, tenant_id, participant_id, MOST_CONVERSATIONS):
            here = ConversationId(row["conversation_id"])
            parties.setdefault(here, set()).update({row["party_id"]} - {None})
            vendors.setdefault(here, set()).update({row["vendor_id"], row["participant_id"]} - {None})
        return [Shared(here, parties[here], vendors[here]) for here in parties]
