"""Festimo listens: a conversation has opened, somebody has said something. One transaction each, so it answers once."""

import json

from bridge.bookings.store import BookingStore
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.festimo import answers
from bridge.festimo.model import Deed, Scene, SetStatus, WriteQuote
from bridge.messages.events import MessageReceived, SaidToFestimo
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.quotes.desk import QuoteDesk
from bridge.storage.database import Database, Reader, Transaction
from bridge.vendors.model import Declared
from bridge.vendors.service import Vendors


def is_to_be_answered(event: MessageReceived | SaidToFestimo) -> bool:
    """What a program said is never answered."""
    return event.for_festimo and not (isinstance(event, MessageReceived) and event.automated)


class Festimo:
    def __init__(
        self,
        *,
        database: Database,
        conversations: ConversationStore,
        bookings: BookingStore,
        messages: Messages,
        message_store: MessageStore,
        vendors: Vendors,
        quotes: QuoteDesk,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._bookings = bookings
        self._messages = messages
        self._message_store = message_store
        self._vendors = vendors
        self._quotes = quotes
        self._outbox = outbox

    async def opened(self, item: Item) -> None:
        """Handle a `ConversationOpened`: greet."""
        conversation = await self._conversation(json.loads(item.body)["conversation_id"])
        async with self._database.transaction() as tx:
            await self._messages.say(tx, conversation, text=answers.greeting())
            await self._outbox.finish(tx, item)

    async def heard(self, item: Item) -> None:
        """Handle a `MessageReceived` or `SaidToFestimo` that is to be answered."""
        message_id = MessageId(json.loads(item.body)["message_id"])
        message = await self._message_store.get(self._database, message_id)
        assert message is not None, "the message and this item are one commit"
        async with self._database.transaction() as tx:
            if not message.is_deleted:
                conversation = await self._conversation(message.conversation_id)
                scene = await self._scene(tx, conversation, asker=message.sender_id)
                answer = answers.answer(message.text, scene)
                deed = answers.deed(message.text, scene)
                if deed is not None:
                    answer = await self._do(tx, conversation, deed, answer)
                if answer:
                    await self._messages.say(tx, conversation, text=answer)
            await self._outbox.finish(tx, item)

    async def _conversation(self, conversation_id: str) -> Conversation:
        conversation = await self._conversations.get(self._database, ConversationId(conversation_id))
        assert conversation is not None, "conversations are not deleted"
        return conversation

    async def _do(self, tx: Transaction, conversation: Conversation, deed: Deed, answer: str) -> str:
        """Return what to say: the command's `answer`, or what was found while it was done."""
        match deed:
            case SetStatus(vendor_id, status):
                declared = None if status is None else Declared(status=status)
                await self._vendors.set_status(tx, conversation.tenant_id, vendor_id, declared)
                return answer
            case WriteQuote(vendor_id, rest):
                # What is sent stands in the conversation already: there is nothing to add.
                return await self._quotes.write(tx, conversation, by=vendor_id, rest=rest) or ""

    async def _scene(
        self, reader: Reader, conversation: Conversation, *, asker: ParticipantId | None
    ) -> Scene:
        members = await self._conversations.members(reader, conversation.conversation_id)
        return Scene(
            conversation=conversation,
            members=members,
            bookings=await self._bookings.of_conversation(reader, conversation),
            asker=next((one for one in members if one.participant.participant_id == asker), None),
        )
