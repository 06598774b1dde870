"""Events that say something."""

from bridge.conversations.store import ConversationStore
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.messages.errors import ConversationMissing
from bridge.messages.service import Messages
from bridge.platform.events.messages import MessageSend
from bridge.storage.database import Transaction


class MessageEffects:
    def __init__(self, conversations: ConversationStore, messages: Messages) -> None:
        self._conversations = conversations
        self._messages = messages

    async def apply(self, tx: Transaction, tenant_id: TenantId, event: MessageSend) -> None:
        message = event.data
        conversation = await self._conversations.of_pair(
            tx, tenant_id, PartyId(message.party_id), VendorId(message.vendor_id)
        )
        if conversation is None:
            raise ConversationMissing(
                f"Party {message.party_id} and vendor {message.vendor_id} have no conversation. Send"
                " vendor.selected for them first.",
                field="vendor_id",
            )
        await self._messages.post(
            tx, conversation, sender_id=ParticipantId(message.sender_id), text=message.text
        )
