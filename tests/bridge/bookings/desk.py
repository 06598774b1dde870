"""A conversation, and bookings followed in it."""

from typing import Any

from bridge.bookings.listeners import BookingListener
from bridge.bookings.model import Followed, News, Payment
from bridge.conversations.events import ConversationOpened
from bridge.conversations.model import Conversation
from bridge.core.ids import BookingId, PartyId
from bridge.delivery.queue import Item
from bridge.messages.held import Document
from bridge.messages.model import Message
from bridge.messages.pins.store import PinStore
from bridge.storage.database import Database
from tests.bridge.bookings.examples import B1, read_calendar
from tests.bridge.conversations.features import TENANT, Features


class Desk:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.features = Features(database)
        self.conversation: Conversation

    async def opened(self) -> "Desk":
        self.conversation = await self.features.open()
        return self

    async def follow(
        self, *told: News, of: BookingId = B1, here: Conversation | None = None, party: str | None = None
    ) -> None:
        for one in told:
            self.features.clock.advance(1)
            async with self.database.transaction() as tx:
                await self.features.bookings.follow(
                    tx,
                    here or self.conversation,
                    of,
                    one,
                    party_id=None if party is None else PartyId(party),
                )

    async def pay(self, *payments: Payment) -> None:
        for one in payments:
            async with self.database.transaction() as tx:
                await self.features.bookings.pay(tx, TENANT, one)

    async def move(self) -> tuple[BookingListener, Item]:
        """The conversation goes on elsewhere; who is told of that, and what."""
        features = self.features
        features.outbox.subscribe("bookings", ConversationOpened, only=lambda opened: opened.again)
        features.clock.advance(1)
        async with self.database.transaction() as tx:
            await features.conversations.moves(tx, self.conversation)
        item = await features.outbox.head(f"bookings:{self.conversation.conversation_id}")
        assert item is not None
        listener = BookingListener(
            self.database,
            features.booking_store,
            features.bookings,
            features.conversation_store,
            features.outbox,
        )
        return listener, item

    async def is_in_the_room(self, booking_id: BookingId = B1) -> Followed:
        """The card of the booking."""
        found = await self.found(booking_id)
        assert found.card_id is not None
        async with self.database.transaction() as tx:
            await self.features.messages.sent(tx, found.card_id, origin_id=f"${found.card_id}")
        return found

    async def is_deleted(self) -> Conversation:
        """The conversation, which is no more."""
        async with self.database.transaction() as tx:
            await self.features.conversation_changes.delete(tx, self.conversation, asking=None)
        return self.conversation

    async def found(self, booking_id: BookingId = B1) -> Followed:
        found = await self.features.booking_store.find(self.database, TENANT, booking_id)
        assert found is not None
        return found

    async def said(self) -> list[Message]:
        return await self.features.history(self.conversation)

    async def texts(self) -> list[str]:
        return [message.text for message in await self.said()]

    async def files(self) -> list[Any]:
        held = [message.held for message in await self.said()]
        return [read_calendar(one.text) for one in held if isinstance(one, Document)]

    async def pinned(self) -> list[str]:
        return [*await PinStore().of(self.database, self.conversation.conversation_id)]
