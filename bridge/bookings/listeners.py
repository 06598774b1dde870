"""A conversation that goes on elsewhere takes its cards along; a quote that is accepted in one shows on its cards."""

import json

from bridge.bookings.service import Bookings
from bridge.bookings.store import BookingStore
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.ids import BookingId, ConversationId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.storage.database import Database


class BookingListener:
    def __init__(
        self,
        database: Database,
        store: BookingStore,
        bookings: Bookings,
        conversations: ConversationStore,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._store = store
        self._bookings = bookings
        self._conversations = conversations
        self._outbox = outbox

    async def opened(self, item: Item) -> None:
        """Handle a `ConversationOpened` of one that was open before."""
        conversation = await self._conversation(item)
        for booking_id in await self._bookings_of(conversation):
            async with self._database.transaction() as tx:
                await self._bookings.show_again(tx, conversation, booking_id, opened_at=item.created_at)
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)

    async def accepted(self, item: Item) -> None:
        """Handle a `QuoteAccepted`. A booking that is being told of just now sees by itself that it is."""
        conversation = await self._conversation(item)
        if conversation.deleted_at is None:
            for booking_id in await self._bookings_of(conversation):
                async with self._database.transaction() as tx:
                    await self._bookings.look_again(tx, conversation, booking_id)
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)

    async def _conversation(self, item: Item) -> Conversation:
        here = ConversationId(json.loads(item.body)["conversation_id"])
        conversation = await self._conversations.get(self._database, here)
        assert conversation is not None, "the rows of conversations stay"
        return conversation

    async def _bookings_of(self, conversation: Conversation) -> list[BookingId]:
        """For a transaction each: who follows one of them waits, once they have it, for what is said here. Who has said
        something here may not wait for another of them."""
        return [one.booking_id for one in await self._store.of_conversation(self._database, conversation)]
