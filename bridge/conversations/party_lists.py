"""A party's list of its open conversations: which it is, and telling that it has changed."""

from dataclasses import dataclass

from bridge.conversations.events import PartyListChanged
from bridge.conversations.model import Conversation
from bridge.core.ids import ConversationId, PartyId, TenantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.storage.database import Reader, Transaction

INSERT = """
INSERT INTO party_lists (tenant_id, party_id, list_id, title) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, party_id) DO NOTHING
"""
SELECT = "SELECT list_id, title FROM party_lists WHERE tenant_id = $1 AND party_id = $2"


@dataclass(frozen=True, slots=True)
class PartyList:
    """`list_id` is random, and says nothing about the party."""

    list_id: str
    title: str


async def list_of(reader: Reader, tenant_id: TenantId, party_id: PartyId) -> PartyList | None:
    row = await reader.fetch_one(SELECT, tenant_id, party_id)
    return None if row is None else PartyList(row["list_id"], row["title"])


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

    async def changed(self, tx: Transaction, conversation: Conversation) -> None:
        """Whether the conversation is among its party's open ones, or who may see that."""
        if conversation.party_id is None:
            return
        known = await self.ensure(tx, conversation.tenant_id, conversation.party_id, title=conversation.title)
        changed = PartyListChanged(
            tenant_id=conversation.tenant_id,
            conversation_id=ConversationId(known.list_id),
            party_id=conversation.party_id,
        )
        await self._outbox.record(tx, changed)
