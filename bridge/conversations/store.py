"""Conversations and their members in the database."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.conversations.model import Away, Conversation, Member, Role, Status
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, VendorId
from bridge.participants.store import participant_of
from bridge.storage.database import Reader, Row, Transaction, Value

_COLUMNS = "tenant_id, conversation_id, party_id, vendor_id, title, status, created_at"
INSERT = f"""
INSERT INTO conversations ({_COLUMNS}, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (tenant_id, party_id, vendor_id) DO NOTHING
"""
SELECT = f"SELECT {_COLUMNS} FROM conversations WHERE conversation_id = $1"
SELECT_OF_PAIR = f"""
SELECT {_COLUMNS} FROM conversations WHERE tenant_id = $1 AND party_id = $2 AND vendor_id = $3
"""
INSERT_MEMBER = """
INSERT INTO conversation_members (tenant_id, conversation_id, participant_id, role, joined_at)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (conversation_id, participant_id) DO NOTHING
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
SELECT_OF_PARTICIPANT = """
SELECT conversation_id FROM conversation_members WHERE tenant_id = $1 AND participant_id = $2 ORDER BY conversation_id
"""
_MEMBERS = """
SELECT m.conversation_id, p.tenant_id, p.participant_id, p.name, p.mxid, p.avatar_url, p.vendor_type, m.role,
    m.away, m.failure
FROM conversation_members m JOIN participants p ON p.tenant_id = m.tenant_id AND p.participant_id = m.participant_id
"""
SELECT_MEMBERS = f"{_MEMBERS} WHERE m.conversation_id = $1 ORDER BY m.joined_at, p.participant_id"
FIND = f"SELECT {_COLUMNS}, updated_at FROM conversations WHERE tenant_id = $1 AND conversation_id = $2"
IS_MEMBER = """
SELECT 1 FROM conversation_members WHERE conversation_id = $1 AND participant_id = $2 AND away IS NULL
"""
_TAKES_PART = """conversation_id IN (
    SELECT m.conversation_id FROM conversation_members m LEFT JOIN read_positions r
        ON r.conversation_id = m.conversation_id AND r.participant_id = m.participant_id
    WHERE m.tenant_id = $1 AND m.participant_id = {reader} AND m.away IS NULL{more}
)"""
_SOMETHING_UNREAD = """EXISTS (
    SELECT 1 FROM messages u WHERE u.conversation_id = m.conversation_id
        AND u.position > COALESCE(r.position, 0) AND u.created_at >= m.joined_at
        AND u.status = 'sent' AND u.deleted_at IS NULL AND (u.sender_id IS NULL OR u.sender_id <> m.participant_id)
)"""
_MORE = {None: "", True: f" AND {_SOMETHING_UNREAD}", False: f" AND NOT {_SOMETHING_UNREAD}"}
"""By whether they are to have something unread there."""


@dataclass(frozen=True, slots=True)
class Stored:
    conversation: Conversation
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which conversations of a tenant; None lets all through.

    `member`, `reader`: who takes part in them; `has_unread`: whether the reader has something unread there.
    """

    status: Status | None = None
    party_id: PartyId | None = None
    vendor_id: VendorId | None = None
    member: ParticipantId | None = None
    has_unread: bool | None = None
    reader: ParticipantId | None = None


class ConversationStore:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def insert(self, tx: Transaction, conversation: Conversation) -> bool:
        """Return False, changing nothing, where the party and the vendor have a conversation already."""
        added = await tx.execute(
            INSERT,
            conversation.tenant_id,
            conversation.conversation_id,
            conversation.party_id,
            conversation.vendor_id,
            conversation.title,
            conversation.status,
            conversation.created_at,
        )
        return bool(added)

    async def get(self, reader: Reader, conversation_id: ConversationId) -> Conversation | None:
        return _conversation(await reader.fetch_one(SELECT, conversation_id))

    async def of_pair(
        self, reader: Reader, tenant_id: TenantId, party_id: PartyId, vendor_id: VendorId
    ) -> Conversation | None:
        return _conversation(await reader.fetch_one(SELECT_OF_PAIR, tenant_id, party_id, vendor_id))

    async def add_member(
        self, tx: Transaction, conversation: Conversation, participant_id: ParticipantId, role: Role
    ) -> bool:
        added = await tx.execute(
            INSERT_MEMBER,
            conversation.tenant_id,
            conversation.conversation_id,
            participant_id,
            role,
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
        rows = await reader.fetch(SELECT_OF_PARTICIPANT, tenant_id, participant_id)
        return [ConversationId(row["conversation_id"]) for row in rows]

    async def members(self, reader: Reader, conversation_id: ConversationId) -> list[Member]:
        """In the order in which they came in."""
        rows = await reader.fetch(SELECT_MEMBERS, conversation_id)
        return [_member(row) for row in rows]

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
        return None if row is None else _stored(row)

    async def is_member(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> bool:
        """Not who declined, left or was removed."""
        return await reader.fetch_value(IS_MEMBER, conversation_id, participant_id) is not None

    async def newest(
        self,
        reader: Reader,
        tenant_id: TenantId,
        wanted: Filter,
        *,
        before: tuple[int, str] | None,
        limit: int,
    ) -> list[Stored]:
        """Newest first. `before`: when the last one seen was made, and its id."""
        conditions = ["tenant_id = $1"]
        args: list[Value] = [tenant_id, limit]
        for column in ("status", "party_id", "vendor_id"):
            value = getattr(wanted, column)
            if value is not None:
                args.append(value)
                conditions.append(f"{column} = ${len(args)}")
        if wanted.member is not None:
            args.append(wanted.member)
            conditions.append(_TAKES_PART.format(reader=f"${len(args)}", more=""))
        if wanted.reader is not None:
            args.append(wanted.reader)
            more = _MORE[wanted.has_unread]
            conditions.append(_TAKES_PART.format(reader=f"${len(args)}", more=more))
        if before is not None:
            args += before
            conditions.append(f"(created_at, conversation_id) < (${len(args) - 1}, ${len(args)})")
        sql = (
            f"SELECT {_COLUMNS}, updated_at FROM conversations WHERE {' AND '.join(conditions)}"
            " ORDER BY created_at DESC, conversation_id DESC LIMIT $2"
        )
        return [_stored(row) for row in await reader.fetch(sql, *args)]


def _stored(row: Row) -> Stored:
    conversation = _conversation(row)
    assert conversation is not None
    return Stored(conversation, row["updated_at"])


def _member(row: Row) -> Member:
    return Member(participant_of(row), row["role"], row["away"], row["failure"])


def _conversation(row: Row | None) -> Conversation | None:
    if row is None:
        return None
    return Conversation(
        tenant_id=TenantId(row["tenant_id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        party_id=PartyId(row["party_id"]),
        vendor_id=VendorId(row["vendor_id"]),
        title=row["title"],
        status=row["status"],
        created_at=row["created_at"],
    )
