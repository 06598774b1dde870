"""Festimo listens: a conversation has opened, somebody has said something. One transaction each, so it answers once."""

import json

from bridge.bookings.store import BookingStore
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.ids import ConversationId, MessageId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.festimo import answers
from bridge.festimo.model import Scene
from bridge.messages.events import MessageReceived
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.storage.database import Database, Reader


def is_to_be_answered(event: MessageReceived) -> bool:
    """What a program said is never answered."""
    return event.for_festimo and not event.automated


class Festimo:
    def __init__(
        self,
        *,
        database: Database,
        conversations: ConversationStore,
        bookings: BookingStore,
        messages: Messages,
        message_store: MessageStore,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._bookings = bookings
        self._messages = messages
        self._message_store = message_store
        self._outbox = outbox

    async def opened(self, item: Item) -> None:
        """Handle a `ConversationOpened`: greet."""
        conversation = await self._conversation(json.loads(item.body)["conversation_id"])
        async with self._database.transaction() as tx:
            await self._messages.say(tx, conversation, text=answers.greeting())
            await self._outbox.finish(tx, item)

    async def heard(self, item: Item) -> None:
        """Handle a `MessageReceived` that is to be answered."""
        message_id = MessageId(json.loads(item.body)["message_id"])
        message = await self._message_store.get(self._database, message_id)
        assert message is not None, "the message and this item are one commit"
        async with self._database.transaction() as tx:
            if not message.is_deleted:
                conversation = await self._conversation(message.conversation_id)
                scene = await self._scene(tx, conversation)
                await self._messages.say(tx, conversation, text=answers.answer(message.text, scene))
            await self._outbox.finish(tx, item)

    async def _conversation(self, conversation_id: str) -> Conversation:
        conversation = await self._conversations.get(self._database, ConversationId(conversation_id))
        assert conversation is not None, "conversations are not deleted"
        return conversation

    async def _scene(self, reader: Reader, conversation: Conversation) -> Scene:
        return Scene(
            conversation=conversation,
            members=await self._conversations.members(reader, conversation.conversation_id),
            bookings=await self._bookings.of_conversation(reader, conversation),
        )
