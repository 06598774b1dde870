"""All that the WebSockets of one process need, put together."""

from collections.abc import Sequence

from aiohttp import web

from bridge.conversations.access import Access
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationViews
from bridge.core.caller import Caller
from bridge.feed.model import Place
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageViews
from bridge.participants.store import ParticipantStore
from bridge.sockets.api import SocketsApi
from bridge.sockets.commands import Commands, Post
from bridge.sockets.frames import Frames
from bridge.sockets.hub import Hub
from bridge.sockets.scope import Gate
from bridge.sockets.session import Around, Pulse
from bridge.sockets.store import SocketStore
from bridge.storage.database import Database
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
        master_key: bytes,
        pulse: Pulse | None = None,
    ) -> None:
        self._database = database
        self._pulse = pulse or Pulse()
        self._frames = Frames(messages, conversations, message_views, conversation_views, Cursors(master_key))
        store = SocketStore()
        self._gate = Gate(participants, store)
        self.hub = Hub(database, feed_store, store, conversations, Access(conversations), self._frames)
        feed.on_order(self.hub.wake)

    def routes(self, toolkit: Toolkit, keys: Keys, *, post: Post) -> Sequence[web.RouteDef]:
        around = Around(
            database=self._database,
            keys=keys,
            gate=self._gate,
            hub=self.hub,
            pace=toolkit.pace,
            limits=toolkit.limits,
            commands=Commands(toolkit, self.hub, post).all(),
            cursor=self._cursor,
            pulse=self._pulse,
        )
        return SocketsApi(around, self._frames).routes()

    async def run(self) -> None:
        await self.hub.run()

    async def close(self, _: web.Application) -> None:
        """The server stops: have all clients come back later."""
        self.hub.close()

    def _cursor(self, caller: Caller, place: Place) -> str:
        return self._frames.cursor(caller.tenant_id, place)
