"""A conversation that goes on elsewhere takes its cards along; a quote that is accepted in one shows on its cards."""

import json

from bridge.bookings.service import Bookings
from bridge.bookings.store import BookingStore
from bridge.conversations.store import ConversationStore
from bridge.core.ids import ConversationId
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
        here = ConversationId(json.loads(item.body)["conversation_id"])
        async with self._database.transaction() as tx:
            conversation = await self._conversations.get(tx, here)
            assert conversation is not None, "the rows of conversations stay"
            for booking in await self._store.of_conversation(tx, conversation):
                await self._bookings.show_again(
                    tx, conversation, booking.booking_id, opened_at=item.created_at
                )
            await self._outbox.finish(tx, item)

    async def accepted(self, item: Item) -> None:
        """Handle a `QuoteAccepted`. A booking that is being told of just now sees by itself that it is."""
        here = ConversationId(json.loads(item.body)["conversation_id"])
        conversation = await self._conversations.get(self._database, here)
        assert conversation is not None, "the rows of conversations stay"
        if conversation.deleted_at is None:
            for booking in await self._store.of_conversation(self._database, conversation):
                # One each: who follows another of them may be waiting for what we hold.
                async with self._database.transaction() as tx:
                    await self._bookings.look_again(tx, conversation, booking.booking_id)
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)
