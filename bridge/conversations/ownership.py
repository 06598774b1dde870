"""That a conversation has an owner, whoever leaves: somebody must be able to close it, and to add people."""

from bridge.conversations import rules
from bridge.conversations.events import ConversationChanged
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.delivery.outbox import Outbox
from bridge.storage.database import Transaction


class Ownership:
    def __init__(self, store: ConversationStore, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox

    async def hand_over(self, tx: Transaction, conversation: Conversation) -> None:
        """Somebody has just left, and the caller has locked the conversation before: of two owners who leave at the
        same moment each would count on the other."""
        here = conversation.conversation_id
        heir = rules.heir(await self._store.members(tx, here))
        if heir is None:
            return
        await self._store.set_standing(tx, here, heir.participant.participant_id, "owner")
        changed = ConversationChanged(tenant_id=conversation.tenant_id, conversation_id=here)
        await self._outbox.record(tx, changed)
