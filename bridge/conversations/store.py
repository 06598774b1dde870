"""Conversations in the database: found by their id, and by what there is one of them for."""

from dataclasses import dataclass

from bridge.conversations.member_store import MemberStore
from bridge.conversations.model import Conversation
from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, VendorId
from bridge.storage.database import Reader, Row, Transaction

COLUMNS = """tenant_id, conversation_id, party_id, vendor_id, title, status, created_at, type, priority, event_id,
    lead_id, service_type, closed_at, archived_at, deleted_at, blocked_side, resolution, resolved_at, party_ids"""
INSERT = """
INSERT INTO conversations (tenant_id, conversation_id, party_id, vendor_id, title, status, created_at, updated_at, type,
    resolution, key_party, key_vendor) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11)
ON CONFLICT (tenant_id, key_party, key_vendor) DO NOTHING
"""
SELECT = f"SELECT {COLUMNS} FROM conversations WHERE conversation_id = $1"
SELECT_BY_KEY = f"""
SELECT {COLUMNS} FROM conversations WHERE tenant_id = $1 AND key_party = $2 AND key_vendor = $3
"""
OF_PARTY = """conversation_id IN (
    SELECT conversation_id FROM conversation_parties WHERE tenant_id = $1 AND party_id = $2)"""
SELECT_OF_PAIR = f"""
SELECT {COLUMNS} FROM conversations WHERE {OF_PARTY} AND COALESCE(vendor_id, '*') = $3 AND type = 'direct'
    AND deleted_at IS NULL ORDER BY created_at, conversation_id LIMIT 1
"""
SELECT_OF_PARTY = f"""
SELECT {COLUMNS} FROM conversations WHERE {OF_PARTY} AND deleted_at IS NULL ORDER BY created_at, conversation_id
"""
FIND = f"""
SELECT {COLUMNS}, updated_at FROM conversations WHERE tenant_id = $1 AND conversation_id = $2 AND deleted_at IS NULL
"""
LOCK = "SELECT 1 FROM conversations WHERE conversation_id = $1 FOR UPDATE"
SET_FAILURE = "UPDATE conversations SET failure = $2 WHERE conversation_id = $1"
CLEAR_FAILURE = "UPDATE conversations SET failure = NULL WHERE conversation_id = $1 AND failure IS NOT NULL"

NO_ID = "*"
"""Stands for a party or a vendor that there is none of: no id looks like it."""


@dataclass(frozen=True, slots=True)
class Stored:
    conversation: Conversation
    updated_at: int


class ConversationStore(MemberStore):
    async def insert(
        self, tx: Transaction, conversation: Conversation, *, asked_by: ParticipantId | None = None
    ) -> bool:
        """Return False, changing nothing, where there is one for the same already.

        `asked_by`: the host for whom there is one with this vendor, whatever the party; None: there is one per party.
        """
        added = await tx.execute(
            INSERT,
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.party_id,
            conversation.vendor_id,
            conversation.title,
            conversation.status,
            conversation.created_at,
            conversation.type,
            conversation.resolution,
            *(
                _key(conversation.party_id, conversation.vendor_id, asked_by=asked_by)
                if conversation.type == "direct"
                else (f"conversation/{conversation.conversation_id}", NO_ID)
            ),
        )
        return bool(added)

    async def get(self, reader: Reader, conversation_id: ConversationId) -> Conversation | None:
        return conversation_of(await reader.fetch_one(SELECT, conversation_id))

    async def lock(self, tx: Transaction, conversation_id: ConversationId) -> None:
        """Nobody else changes this conversation until the transaction ends."""
        await tx.fetch(LOCK, conversation_id)

    async def of_key(
        self,
        reader: Reader,
        tenant_id: TenantId,
        party_id: PartyId | None,
        vendor_id: VendorId | None,
        *,
        asked_by: ParticipantId | None,
    ) -> Conversation | None:
        """The one because of which `insert` has returned False."""
        key = _key(party_id, vendor_id, asked_by=asked_by)
        return conversation_of(await reader.fetch_one(SELECT_BY_KEY, tenant_id, *key))

    async def of_pair(
        self, reader: Reader, tenant_id: TenantId, party_id: PartyId, vendor_id: VendorId | None
    ) -> Conversation | None:
        """The direct one that this party has with this vendor, shared with other parties or not."""
        row = await reader.fetch_one(SELECT_OF_PAIR, tenant_id, party_id, vendor_id or NO_ID)
        return conversation_of(row)

    async def set_failure(self, tx: Transaction, conversation_id: ConversationId, reason: str) -> None:
        """The conversation could not be opened for the others."""
        await tx.execute(SET_FAILURE, conversation_id, reason)

    async def clear_failure(self, tx: Transaction, conversation_id: ConversationId) -> bool:
        """Return whether there was one."""
        return bool(await tx.execute(CLEAR_FAILURE, conversation_id))

    async def of_party(self, reader: Reader, tenant_id: TenantId, party_id: PartyId) -> list[Conversation]:
        """All that are not deleted."""
        found = [conversation_of(row) for row in await reader.fetch(SELECT_OF_PARTY, tenant_id, party_id)]
        return [conversation for conversation in found if conversation is not None]

    async def find(
        self, reader: Reader, tenant_id: TenantId, conversation_id: ConversationId
    ) -> Stored | None:
        """None where it is another tenant's, too."""
        row = await reader.fetch_one(FIND, tenant_id, conversation_id)
        return None if row is None else stored_of(row)


def stored_of(row: Row) -> Stored:
    conversation = conversation_of(row)
    assert conversation is not None
    return Stored(conversation, row["updated_at"])


def _key(
    party_id: PartyId | None, vendor_id: VendorId | None, *, asked_by: ParticipantId | None
) -> tuple[str, str]:
    """What there is one direct conversation for. No id holds a slash."""
    party = f"asked by/{asked_by}" if asked_by else party_id or NO_ID
    return party, vendor_id or NO_ID


def conversation_of(row: Row | None) -> Conversation | None:
    if row is None:
        return None
    party_id, vendor_id = row["party_id"], row["vendor_id"]
    return Conversation(
        tenant_id=TenantId(row["tenant_id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        party_id=None if party_id is None else PartyId(party_id),
        vendor_id=None if vendor_id is None else VendorId(vendor_id),
        title=row["title"],
        status=row["status"],
        created_at=row["created_at"],
        type=row["type"],
        priority=row["priority"],
        event_id=row["event_id"],
        lead_id=row["lead_id"],
        service_type=row["service_type"],
        closed_at=row["closed_at"],
        archived_at=row["archived_at"],
        deleted_at=row["deleted_at"],
        blocked_side=row["blocked_side"],
        resolution=row["resolution"],
        resolved_at=row["resolved_at"],
        party_ids=tuple(PartyId(one) for one in row["party_ids"].split()),
    )
