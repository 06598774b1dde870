"""Somebody asks to be erased: from this very transaction on nothing is done in their name, and nothing told to them.

What there is of them stays for now; what they offer can be accepted no more. What waits in the outbox finds them erased
when its turn comes.
"""

from bridge.conversations.changes import ConversationChanges
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId, TenantId
from bridge.participants.erasures import ErasureStore
from bridge.participants.store import ParticipantStore
from bridge.quotes.gone import QuotesOfErased
from bridge.storage.database import Transaction


class Erasures:
    def __init__(
        self,
        participants: ParticipantStore,
        conversations: ConversationStore,
        changes: ConversationChanges,
        quotes: QuotesOfErased,
        clock: Clock,
    ) -> None:
        self._participants = participants
        self._conversations = conversations
        self._changes = changes
        self._quotes = quotes
        self._store = ErasureStore()
        self._clock = clock

    async def begin(self, tx: Transaction, tenant_id: TenantId, participant_id: ParticipantId) -> bool:
        """Also of whom nothing is known: so nothing becomes known. Return False where they have asked before."""
        # Who is just being added somewhere is found there, or is not added.
        await self._participants.lock(tx, tenant_id, participant_id)
        if not await self._store.insert(tx, tenant_id, participant_id, self._clock):
            return False
        for conversation_id in await self._conversations.places_of(tx, tenant_id, participant_id):
            conversation = await self._conversations.get(tx, conversation_id)
            assert conversation is not None, "the rows of conversations stay"
            await self._changes.leave(tx, conversation, who=participant_id)
        await self._quotes.withdraw(tx, tenant_id, participant_id)
        return True
