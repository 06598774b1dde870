"""All that the WebSockets of one process need, put together."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from bridge.conversations.access import Access
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationViews
from bridge.core.caller import Caller
from bridge.core.clock import Clock
from bridge.feed.model import Place
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.messages.bookmarks.store import BookmarkStore
from bridge.messages.scheduled.store import ScheduledStore
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageViews
from bridge.participants.store import ParticipantStore
from bridge.signals.service import Signals
from bridge.sockets.api import SocketsApi
from bridge.sockets.commands import Commands, Handlers
from bridge.sockets.frames import Frames
from bridge.sockets.hub import Hub
from bridge.sockets.perspectives import Perspectives
from bridge.sockets.scope import Gate
from bridge.sockets.seats import Seats
from bridge.sockets.session import Around, Pulse
from bridge.sockets.sight import Sight
from bridge.sockets.signals import SignalsOnSockets
from bridge.sockets.store import SocketStore
from bridge.sockets.vendors import VendorsOnSockets
from bridge.storage.database import Database
from bridge.vendors.store import VendorStore
from bridge.vendors.views import VendorViews
from bridge.web.operations import Keys, Toolkit
from bridge.web.paging import Cursors


class Live:
    def __init__(
        self,
        *,
        database: Database,
        feed: Feed,
        feed_store: FeedStore,
        conversations: ConversationStore,
        participants: ParticipantStore,
        messages: MessageStore,
        message_views: MessageViews,
        conversation_views: ConversationViews,
        scheduled: ScheduledStore,
        signals: Signals,
        vendors: VendorStore,
        vendor_views: VendorViews,
        clock: Clock,
        seats: Seats,
        frames_per_second: int,
        master_key: bytes,
        pulse: Pulse | None = None,
    ) -> None:
        self._database = database
        self._pulse = pulse or Pulse()
        self._clock = clock
        self._seats = seats
        self._frames_per_second = frames_per_second
        store = SocketStore()
        vendors_told = VendorsOnSockets(store, vendors, vendor_views)
        self._frames = Frames(
            messages,
            conversations,
            Perspectives(
                message_views, BookmarkStore(clock), conversations, conversation_views, Sight(store)
            ),
            scheduled,
            signals.read_store,
            signals.unread,
            vendors_told,
            Cursors(master_key),
        )
        self._gate = Gate(participants, store)
        access = Access(conversations)
        self.hub = Hub(database, feed_store, store, conversations, access, vendors_told, self._frames)
        self.signals = SignalsOnSockets(self.hub, signals)
        feed.on_order(self.hub.wake)
        feed.hurry_while(lambda: bool(self.hub.present))

    def routes(self, toolkit: Toolkit, keys: Keys, handlers: Handlers) -> Sequence[web.RouteDef]:
        around = Around(
            database=self._database,
            keys=keys,
            clock=self._clock,
            gate=self._gate,
            seats=self._seats,
            frames_per_second=self._frames_per_second,
            hub=self.hub,
            pace=toolkit.pace,
            limits=toolkit.limits,
            commands=Commands(toolkit, self.hub, handlers).all(),
            cursor=self._cursor,
            pulse=self._pulse,
        )
        return SocketsApi(around, self._frames).routes()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.hub.run())
            tasks.create_task(self.signals.run())

    async def close(self, _: web.Application) -> None:
        """The server stops: have all clients come back later."""
        self.hub.close()

    def _cursor(self, caller: Caller, place: Place) -> str:
        return self._frames.cursor(caller.tenant_id, place)
