"""Conversations and their members in the database."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.conversations.model import Away, Conversation, Member, Role, Standing
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, VendorId
from bridge.participants.store import participant_of
from bridge.storage.database import Reader, Row, Transaction

COLUMNS = """tenant_id, conversation_id, party_id, vendor_id, title, status, created_at, type, priority, event_id,
    lead_id, service_type, closed_at, archived_at, deleted_at, blocked_side"""
INSERT = """
INSERT INTO conversations (tenant_id, conversation_id, party_id, vendor_id, title, status, created_at, updated_at, type,
    key_party, key_vendor) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)
ON CONFLICT (tenant_id, key_party, key_vendor) DO NOTHING
"""
SELECT = f"SELECT {COLUMNS} FROM conversations WHERE conversation_id = $1"
SELECT_OF_PAIR = f"""
SELECT {COLUMNS} FROM conversations WHERE tenant_id = $1 AND key_party = $2 AND key_vendor = $3
"""
INSERT_MEMBER = """
INSERT INTO conversation_members (tenant_id, conversation_id, participant_id, role, standing, joined_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (conversation_id, participant_id) DO NOTHING
"""
SET_FAILURE = "UPDATE conversations SET failure = $2 WHERE conversation_id = $1"
CLEAR_FAILURE = "UPDATE conversations SET failure = NULL WHERE conversation_id = $1 AND failure IS NOT NULL"
SET_MEMBER_FAILURE = """
UPDATE conversation_members SET failure = $3 WHERE conversation_id = $1 AND participant_id = $2
"""
CLEAR_MEMBER_FAILURE = """
UPDATE conversation_members SET failure = NULL
WHERE conversation_id = $1 AND participant_id = $2 AND failure IS NOT NULL
"""
SET_AWAY = "UPDATE conversation_members SET away = $3 WHERE conversation_id = $1 AND participant_id = $2"
CAME = """
UPDATE conversation_members SET away = NULL, failure = NULL WHERE conversation_id = $1 AND participant_id = $2
"""
CLEAR_AWAY = """
UPDATE conversation_members SET away = NULL WHERE conversation_id = $1 AND participant_id = $2 AND away IS NOT NULL
"""
IS_IN = "away IS NULL"
"""Of a member: has not declined, left or been removed."""
SELECT_OF_PARTICIPANT = f"""
SELECT conversation_id FROM conversation_members WHERE tenant_id = $1 AND participant_id = $2 AND {IS_IN}
ORDER BY conversation_id
"""
_MEMBERS = """
SELECT m.conversation_id, p.tenant_id, p.participant_id, p.name, p.mxid, p.avatar_url, p.vendor_type, m.role,
    m.away, m.failure, m.standing
FROM conversation_members m JOIN participants p ON p.tenant_id = m.tenant_id AND p.participant_id = m.participant_id
"""
SELECT_MEMBERS = f"{_MEMBERS} WHERE m.conversation_id = $1 ORDER BY m.joined_at, p.participant_id"
SELECT_MEMBER = f"{_MEMBERS} WHERE m.conversation_id = $1 AND m.participant_id = $2"
SELECT_OF_PARTY = f"""
SELECT {COLUMNS} FROM conversations WHERE tenant_id = $1 AND party_id = $2 AND deleted_at IS NULL
ORDER BY created_at, conversation_id
"""
FIND = f"""
SELECT {COLUMNS}, updated_at FROM conversations WHERE tenant_id = $1 AND conversation_id = $2 AND deleted_at IS NULL
"""
IS_MEMBER = f"""
SELECT 1 FROM conversation_members WHERE conversation_id = $1 AND participant_id = $2 AND {IS_IN}
"""

NO_ID = "*"
"""Stands for a party or a vendor that there is none of: no id looks like it."""


@dataclass(frozen=True, slots=True)
class Stored:
    conversation: Conversation
    updated_at: int


class ConversationStore:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def insert(
        self, tx: Transaction, conversation: Conversation, *, asked_by: ParticipantId | None = None
    ) -> bool:
        """Return False, changing nothing, where the party and the vendor have a conversation already.

        `asked_by`: who asks a vendor without a party; they are told apart by that.
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
            *(
                _pair(conversation.party_id, conversation.vendor_id, asked_by=asked_by)
                if conversation.type == "direct"
                else (f"conversation/{conversation.conversation_id}", NO_ID)
            ),
        )
        return bool(added)

    async def get(self, reader: Reader, conversation_id: ConversationId) -> Conversation | None:
        return conversation_of(await reader.fetch_one(SELECT, conversation_id))

    async def of_pair(
        self,
        reader: Reader,
        tenant_id: TenantId,
        party_id: PartyId | None,
        vendor_id: VendorId | None,
        *,
        asked_by: ParticipantId | None = None,
    ) -> Conversation | None:
        pair = _pair(party_id, vendor_id, asked_by=asked_by)
        return conversation_of(await reader.fetch_one(SELECT_OF_PAIR, tenant_id, *pair))

    async def add_member(
        self,
        tx: Transaction,
        conversation: Conversation,
        participant_id: ParticipantId,
        role: Role,
        *,
        standing: Standing,
    ) -> bool:
        added = await tx.execute(
            INSERT_MEMBER,
            conversation.tenant_id,
            conversation.conversation_id,
            participant_id,
            role,
            standing,
            self._clock.now(),
        )
        return bool(added)

    async def set_failure(self, tx: Transaction, conversation_id: ConversationId, reason: str) -> None:
        """The conversation could not be opened for the others."""
        await tx.execute(SET_FAILURE, conversation_id, reason)

    async def clear_failure(self, tx: Transaction, conversation_id: ConversationId) -> bool:
        """Return whether there was one."""
        return bool(await tx.execute(CLEAR_FAILURE, conversation_id))

    async def set_member_failure(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, reason: str
    ) -> None:
        """The participant could not be brought in."""
        await tx.execute(SET_MEMBER_FAILURE, conversation_id, participant_id, reason)

    async def clear_member_failure(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> bool:
        """Return whether there was one."""
        return bool(await tx.execute(CLEAR_MEMBER_FAILURE, conversation_id, participant_id))

    async def set_away(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, away: Away
    ) -> None:
        await tx.execute(SET_AWAY, conversation_id, participant_id, away)

    async def clear_away(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> bool:
        """Return whether they were."""
        return bool(await tx.execute(CLEAR_AWAY, conversation_id, participant_id))

    async def set_there(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> None:
        await tx.execute(CAME, conversation_id, participant_id)

    async def of_participant(
        self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId
    ) -> list[ConversationId]:
        """Those in which they take part."""
        rows = await reader.fetch(SELECT_OF_PARTICIPANT, tenant_id, participant_id)
        return [ConversationId(row["conversation_id"]) for row in rows]

    async def members(self, reader: Reader, conversation_id: ConversationId) -> list[Member]:
        """In the order in which they came in."""
        rows = await reader.fetch(SELECT_MEMBERS, conversation_id)
        return [_member(row) for row in rows]

    async def member(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> Member | None:
        row = await reader.fetch_one(SELECT_MEMBER, conversation_id, participant_id)
        return None if row is None else _member(row)

    async def of_party(self, reader: Reader, tenant_id: TenantId, party_id: PartyId) -> list[Conversation]:
        """All that are not deleted."""
        found = [conversation_of(row) for row in await reader.fetch(SELECT_OF_PARTY, tenant_id, party_id)]
        return [conversation for conversation in found if conversation is not None]

    async def members_of(
        self, reader: Reader, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, list[Member]]:
        """In the order in which they came in."""
        found: defaultdict[ConversationId, list[Member]] = defaultdict(list)
        if conversation_ids:
            places = ", ".join(f"${number}" for number in range(1, len(conversation_ids) + 1))
            sql = f"{_MEMBERS} WHERE m.conversation_id IN ({places}) ORDER BY m.joined_at, p.participant_id"
            for row in await reader.fetch(sql, *conversation_ids):
                found[ConversationId(row["conversation_id"])].append(_member(row))
        return found

    async def find(
        self, reader: Reader, tenant_id: TenantId, conversation_id: ConversationId
    ) -> Stored | None:
        """None where it is another tenant's, too."""
        row = await reader.fetch_one(FIND, tenant_id, conversation_id)
        return None if row is None else stored_of(row)

    async def is_member(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> bool:
        """Not who declined, left or was removed."""
        return await reader.fetch_value(IS_MEMBER, conversation_id, participant_id) is not None


def stored_of(row: Row) -> Stored:
    conversation = conversation_of(row)
    assert conversation is not None
    return Stored(conversation, row["updated_at"])


def _member(row: Row) -> Member:
    return Member(participant_of(row), row["role"], row["away"], row["failure"], row["standing"])


def _pair(
    party_id: PartyId | None, vendor_id: VendorId | None, *, asked_by: ParticipantId | None
) -> tuple[str, str]:
    """What there is one direct conversation for. No id holds a slash."""
    party = party_id or (f"asked by/{asked_by}" if asked_by else NO_ID)
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
    )
