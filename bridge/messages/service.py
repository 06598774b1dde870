"""Post a message from our side, take in one that was said in the room, and follow what became of it."""

from bridge.conversations.model import Conversation
from bridge.core.clock import Clock
from bridge.core.ids import MessageId, ParticipantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.messages import rules
from bridge.messages.errors import NotAParticipant
from bridge.messages.events import MessagePosted, MessageReceived
from bridge.messages.model import SenderType
from bridge.messages.store import MessageStore
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction


class Messages:
    def __init__(
        self,
        store: MessageStore,
        participants: ParticipantStore,
        outbox: Outbox,
        clock: Clock,
        *,
        max_text_length: int = rules.MAX_TEXT_LENGTH,
    ) -> None:
        self._store = store
        self._participants = participants
        self._outbox = outbox
        self._clock = clock
        self._max_text_length = max_text_length

    async def post(
        self, tx: Transaction, conversation: Conversation, *, sender_id: ParticipantId, text: str
    ) -> MessageId:
        """A participant says something without their Matrix client."""
        rules.check_text(text, max_length=self._max_text_length)
        members = await self._participants.of_conversation(tx, conversation.conversation_id)
        sender = next((member for member in members if member.participant_id == sender_id), None)
        if sender is None:
            raise NotAParticipant(
                f"{sender_id} takes no part in this conversation. Only its hosts and its vendor can write in it.",
                field="sender_id",
            )
        return await self._post(tx, conversation, sender=sender, text=text)

    async def announce(self, tx: Transaction, conversation: Conversation, *, text: str) -> MessageId:
        """The platform says something, in Festimo's voice."""
        return await self._post(tx, conversation, sender=None, text=text)

    async def receive(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        sender: Participant | None,
        text: str,
        origin_id: str,
        sent_at: int,
    ) -> None:
        """Take in what somebody said in the room. The same `origin_id` again changes nothing."""
        message_id = MessageId(new_id())
        new = await self._store.insert(
            tx,
            tenant_id=conversation.tenant_id,
            message_id=message_id,
            conversation_id=conversation.conversation_id,
            sender_id=sender.participant_id if sender else None,
            sender_type=_sender_type(sender) if sender else "user",
            kind="text",
            text=text,
            status="sent",
            origin_id=origin_id,
            created_at=sent_at,
        )
        if new:
            received = MessageReceived(
                tenant_id=conversation.tenant_id,
                conversation_id=conversation.conversation_id,
                message_id=message_id,
            )
            await self._outbox.record(tx, received)

    async def sent(self, tx: Transaction, message_id: MessageId, *, origin_id: str) -> None:
        """The room has it, as `origin_id`."""
        await self._store.set_sent(tx, message_id, origin_id=origin_id)

    async def failed(self, tx: Transaction, message_id: MessageId, *, reason: str) -> None:
        await self._store.set_failed(tx, message_id, reason=reason)

    async def _post(
        self, tx: Transaction, conversation: Conversation, *, sender: Participant | None, text: str
    ) -> MessageId:
        message_id = MessageId(new_id())
        await self._store.insert(
            tx,
            tenant_id=conversation.tenant_id,
            message_id=message_id,
            conversation_id=conversation.conversation_id,
            sender_id=sender.participant_id if sender else None,
            sender_type=_sender_type(sender) if sender else "system",
            kind="text" if sender else "system",
            text=text,
            status="pending",
            origin_id=None,
            created_at=self._clock.now(),
        )
        posted = MessagePosted(
            tenant_id=conversation.tenant_id,
            conversation_id=conversation.conversation_id,
            message_id=message_id,
        )
        await self._outbox.record(tx, posted)
        return message_id


def _sender_type(sender: Participant) -> SenderType:
    return "vendor" if sender.role == "vendor" else "user"
