"""A party's list of its open conversations: which they are, who plans the party, and telling that the list has changed.

A conversation is in the list of each party that it is linked with.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from bridge.conversations.events import PartyListChanged
from bridge.conversations.model import Conversation
from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.storage.database import Reader, Transaction

INSERT = """
INSERT INTO party_lists (tenant_id, party_id, list_id, title) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, party_id) DO NOTHING
"""
SELECT = "SELECT list_id, title FROM party_lists WHERE tenant_id = $1 AND party_id = $2"
SELECT_WHOSE = "SELECT tenant_id, party_id FROM party_lists WHERE list_id = $1"
LINK = """
INSERT INTO conversation_parties (tenant_id, conversation_id, party_id) VALUES ($1, $2, $3)
ON CONFLICT (conversation_id, party_id) DO NOTHING
"""
ADD_PARTY = """
UPDATE conversations SET party_ids = CASE WHEN party_ids = '' THEN $2 ELSE party_ids || ' ' || $2 END
WHERE conversation_id = $1
"""
NAME_HOST = """
INSERT INTO party_hosts (tenant_id, party_id, participant_id) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, party_id, participant_id) DO NOTHING
"""
HOSTS = (
    "SELECT participant_id FROM party_hosts WHERE tenant_id = $1 AND party_id = $2 ORDER BY participant_id"
)


@dataclass(frozen=True, slots=True)
class PartyList:
    """`list_id` is random, and says nothing about the party."""

    list_id: str
    title: str


async def list_of(reader: Reader, tenant_id: TenantId, party_id: PartyId) -> PartyList | None:
    row = await reader.fetch_one(SELECT, tenant_id, party_id)
    return None if row is None else PartyList(row["list_id"], row["title"])


async def hosts_of(reader: Reader, tenant_id: TenantId, party_id: PartyId) -> list[ParticipantId]:
    """Who plans the party, as they were named with it."""
    return [ParticipantId(row["participant_id"]) for row in await reader.fetch(HOSTS, tenant_id, party_id)]


class PartyLists:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def ensure(
        self, tx: Transaction, tenant_id: TenantId, party_id: PartyId, *, title: str
    ) -> PartyList:
        """`title`: of a list that is new."""
        known = await list_of(tx, tenant_id, party_id)
        if known is None:
            await tx.execute(INSERT, tenant_id, party_id, new_id(), title)
            known = await list_of(tx, tenant_id, party_id)
        assert known is not None
        return known

    async def link(
        self,
        tx: Transaction,
        conversation: Conversation,
        party_id: PartyId,
        *,
        title: str,
        hosts: Collection[ParticipantId] = (),
    ) -> Conversation:
        """The conversation, which is one of this party's, too. `hosts`: who plan it; `title`: of a list that is new."""
        tenant_id, here = conversation.tenant_id, conversation.conversation_id
        for host in sorted(hosts):
            await tx.execute(NAME_HOST, tenant_id, party_id, host)
        await self.ensure(tx, tenant_id, party_id, title=title)
        if await tx.execute(LINK, tenant_id, here, party_id):
            await tx.execute(ADD_PARTY, here, party_id)
            return replace(conversation, party_ids=(*conversation.party_ids, party_id))
        return conversation

    async def changed(self, tx: Transaction, conversation: Conversation) -> None:
        """Whether the conversation is among its parties' open ones, or who may see that."""
        for party_id in conversation.party_ids:
            known = await self.ensure(tx, conversation.tenant_id, party_id, title=conversation.title)
            await self._tell(tx, conversation.tenant_id, party_id, known.list_id)

    async def moves(self, tx: Transaction, list_id: str) -> None:
        """What it was shown in is at its end: it is shown elsewhere."""
        row = await tx.fetch_one(SELECT_WHOSE, list_id)
        assert row is not None, "lists are not removed"
        await self._tell(tx, TenantId(row["tenant_id"]), PartyId(row["party_id"]), list_id)

    async def _tell(self, tx: Transaction, tenant_id: TenantId, party_id: PartyId, list_id: str) -> None:
        changed = PartyListChanged(
            tenant_id=tenant_id, conversation_id=ConversationId(list_id), party_id=party_id
        )
        await self._outbox.record(tx, changed)
