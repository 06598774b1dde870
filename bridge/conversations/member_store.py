"""Who takes part in conversations, in the database."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bridge.conversations.absence_store import AbsenceStore
from bridge.conversations.model import Away, Conversation, Member, Role, Standing
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.participants.store import participant_of
from bridge.storage.database import Reader, Row, Transaction

INSERT_MEMBER = """
INSERT INTO conversation_members (tenant_id, conversation_id, participant_id, role, standing, joined_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (conversation_id, participant_id) DO NOTHING
"""
SET_MEMBER_FAILURE = """
UPDATE conversation_members SET failure = $3 WHERE conversation_id = $1 AND participant_id = $2
"""
CLEAR_MEMBER_FAILURE = """
UPDATE conversation_members SET failure = NULL
WHERE conversation_id = $1 AND participant_id = $2 AND failure IS NOT NULL
"""
# Who leaves or is taken out has no say any more.
SET_AWAY = """
UPDATE conversation_members SET away = $3,
    standing = CASE WHEN $3 IN ('left', 'removed') THEN 'member' ELSE standing END
WHERE conversation_id = $1 AND participant_id = $2
"""
# Who was taken out, or blocked, while they were accepting the invite stays so.
CAME = """
UPDATE conversation_members SET away = NULL, failure = NULL
WHERE conversation_id = $1 AND participant_id = $2 AND (away IS NULL OR away NOT IN ('blocked', 'removed'))
"""
# Who comes back comes as what they are brought back as.
CLEAR_AWAY = """
UPDATE conversation_members SET away = NULL,
    standing = CASE WHEN away IN ('left', 'removed') THEN $3 ELSE standing END
WHERE conversation_id = $1 AND participant_id = $2 AND away IS NOT NULL AND away <> 'blocked'
"""
KEEP_OUT = """
UPDATE conversation_members SET away = 'blocked' WHERE conversation_id = $1 AND away IS NULL
    AND role = (SELECT blocked_side FROM conversations WHERE conversation_id = $1)
"""
LET_IN = "UPDATE conversation_members SET away = NULL WHERE conversation_id = $1 AND away = 'blocked'"
SET_STANDING = (
    "UPDATE conversation_members SET standing = $3 WHERE conversation_id = $1 AND participant_id = $2"
)
LAST_ROLE = """
SELECT role FROM conversation_members WHERE tenant_id = $1 AND participant_id = $2
ORDER BY CASE WHEN conversation_id = $3 THEN 0 ELSE 1 END, joined_at DESC, conversation_id LIMIT 1
"""
IS_IN = "away IS NULL"
"""Of a member: has not declined, left or been removed, and is not blocked."""
_NOT_DELETED = """NOT EXISTS (SELECT 1 FROM conversations gone
    WHERE gone.conversation_id = {of}.conversation_id AND gone.deleted_at IS NOT NULL)"""


def not_deleted(of: str) -> str:
    """A condition: of a deleted conversation there is nothing in any list or figure. `of`: a table, or its alias."""
    return _NOT_DELETED.format(of=of)


SELECT_OF_PARTICIPANT = f"""
SELECT conversation_id FROM conversation_members m WHERE tenant_id = $1 AND participant_id = $2 AND {IS_IN}
    AND {not_deleted("m")} ORDER BY conversation_id
"""
SELECT_DECLINED = """
SELECT conversation_id FROM conversation_members
WHERE tenant_id = $1 AND participant_id = $2 AND away = 'declined' ORDER BY conversation_id
"""
CLEAR_DECLINED = """
UPDATE conversation_members SET away = NULL WHERE conversation_id = $1 AND participant_id = $2 AND away = 'declined'
"""
SELECT_PLACES = """
SELECT conversation_id FROM conversation_members WHERE tenant_id = $1 AND participant_id = $2
    AND (away IS NULL OR away NOT IN ('left', 'removed')) ORDER BY conversation_id
"""
_MEMBERS = """
SELECT m.conversation_id, p.tenant_id, p.participant_id, p.name, p.mxid, p.avatar_url, p.vendor_type, m.role,
    m.away, m.failure, m.standing
FROM conversation_members m JOIN participants p ON p.tenant_id = m.tenant_id AND p.participant_id = m.participant_id
"""
SELECT_MEMBERS = f"{_MEMBERS} WHERE m.conversation_id = $1 ORDER BY m.joined_at, p.participant_id"
SELECT_MEMBER = f"{_MEMBERS} WHERE m.conversation_id = $1 AND m.participant_id = $2"
IS_MEMBER = f"""
SELECT 1 FROM conversation_members WHERE conversation_id = $1 AND participant_id = $2 AND {IS_IN}
"""


class MemberStore(AbsenceStore):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

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
        if added:
            await self.note_coming(tx, conversation.conversation_id, participant_id)
        return bool(added)

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
        await self.note_away(tx, conversation_id)

    async def clear_away(
        self,
        tx: Transaction,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        *,
        standing: Standing,
    ) -> bool:
        """Return whether they were; who had left is given this standing. Who is blocked stays so."""
        if not await tx.execute(CLEAR_AWAY, conversation_id, participant_id, standing):
            return False
        await self.note_away(tx, conversation_id)
        return True

    async def set_there(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> bool:
        """Return False, changing nothing, where they may not be."""
        if not await tx.execute(CAME, conversation_id, participant_id):
            return False
        await self.note_away(tx, conversation_id)
        return True

    async def keep_out(self, tx: Transaction, conversation_id: ConversationId) -> None:
        """Whoever takes part on the side that is blocked; who has declined or left stays as they are."""
        await tx.execute(KEEP_OUT, conversation_id)
        await self.note_away(tx, conversation_id)

    async def let_in(self, tx: Transaction, conversation_id: ConversationId) -> None:
        await tx.execute(LET_IN, conversation_id)
        await self.note_away(tx, conversation_id)

    async def set_standing(
        self,
        tx: Transaction,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        standing: Standing,
    ) -> None:
        await tx.execute(SET_STANDING, conversation_id, participant_id, standing)

    async def last_role(
        self, reader: Reader, conversation: Conversation, participant_id: ParticipantId
    ) -> Role:
        """As what they take part here; or did where they came last. Whoever does nowhere is known as a vendor."""
        found: Role | None = await reader.fetch_value(
            LAST_ROLE, conversation.tenant_id, participant_id, conversation.conversation_id
        )
        return found or "vendor"

    async def of_participant(
        self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId
    ) -> list[ConversationId]:
        """Those in which they take part, but for deleted ones."""
        rows = await reader.fetch(SELECT_OF_PARTICIPANT, tenant_id, participant_id)
        return [ConversationId(row["conversation_id"]) for row in rows]

    async def places_of(
        self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId
    ) -> list[ConversationId]:
        """As `of_participant`, also those in which they are spoken for or blocked, and deleted ones."""
        rows = await reader.fetch(SELECT_PLACES, tenant_id, participant_id)
        return [ConversationId(row["conversation_id"]) for row in rows]

    async def declined_by(
        self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId
    ) -> list[ConversationId]:
        rows = await reader.fetch(SELECT_DECLINED, tenant_id, participant_id)
        return [ConversationId(row["conversation_id"]) for row in rows]

    async def clear_declined(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> bool:
        """An account that is theirs no more had declined, they had not. Return whether it had."""
        if not await tx.execute(CLEAR_DECLINED, conversation_id, participant_id):
            return False
        await self.note_never_away(tx, conversation_id, participant_id)
        return True

    async def members(self, reader: Reader, conversation_id: ConversationId) -> list[Member]:
        """In the order in which they came in."""
        rows = await reader.fetch(SELECT_MEMBERS, conversation_id)
        return [_member(row) for row in rows]

    async def member(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> Member | None:
        row = await reader.fetch_one(SELECT_MEMBER, conversation_id, participant_id)
        return None if row is None else _member(row)

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

    async def is_member(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> bool:
        """Not who declined, left, was removed or is blocked."""
        return await reader.fetch_value(IS_MEMBER, conversation_id, participant_id) is not None


def _member(row: Row) -> Member:
    return Member(participant_of(row), row["role"], row["away"], row["failure"], row["standing"])
