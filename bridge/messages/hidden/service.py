"""Delete a message for oneself."""

from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId
from bridge.delivery.outbox import Outbox
from bridge.messages.errors import NotAParticipant
from bridge.messages.hidden.events import MessageHidden
from bridge.messages.hidden.store import HiddenStore
from bridge.messages.model import Message
from bridge.storage.database import Transaction


class Hiding:
    def __init__(self, conversations: ConversationStore, outbox: Outbox, clock: Clock) -> None:
        self._conversations = conversations
        self._outbox = outbox
        self._store = HiddenStore(clock)

    async def hide(self, tx: Transaction, message: Message, participant_id: ParticipantId) -> None:
        """Whenever, and for ever. Asked again, it changes nothing more."""
        if not await self._conversations.is_member(tx, message.conversation_id, participant_id):
            raise NotAParticipant(
                f"{participant_id} takes no part in this conversation, so there is nothing in it that they see."
                " Nothing was changed.",
                field="sender_id",
            )
        if await self._store.put(tx, message, participant_id):
            hidden = MessageHidden(
                tenant_id=message.tenant_id,
                conversation_id=message.conversation_id,
                message_id=message.message_id,
                participant_id=participant_id,
            )
            await self._outbox.record(tx, hidden)
