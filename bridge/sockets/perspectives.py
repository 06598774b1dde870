"""How messages and conversations look to each person: as the REST API shows them to them.

Put together once for all who are connected, and anew only for those who see something else than the rest.
"""

from collections.abc import Mapping

from bridge.conversations.model import Settings
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationView, ConversationViews
from bridge.core.caller import Caller
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.messages.bookmarks.store import BookmarkStore
from bridge.messages.model import Message
from bridge.messages.own_views import NOTHING, Own, each_ones_own, shown
from bridge.messages.polls.store import PollStore
from bridge.messages.views import MessageView, MessageViews
from bridge.sockets.look import Look
from bridge.sockets.sight import Sight

Person = ParticipantId | None
"""Who looks. None: a program or staff, of which nothing is its own."""


class Perspectives:
    """Of what somebody may see: that says `Sight`."""

    def __init__(
        self,
        messages: MessageViews,
        bookmarks: BookmarkStore,
        conversations: ConversationStore,
        views: ConversationViews,
        sight: Sight,
    ) -> None:
        self._messages = messages
        self._bookmarks = bookmarks
        self._polls = PollStore()
        self._conversations = conversations
        self._views = views
        self._sight = sight

    async def own(self, look: Look, message: Message, person: Person) -> Own:
        """What of it is theirs: who have the same, see the same."""
        if person is None:
            return NOTHING

        async def find() -> Mapping[ParticipantId, Own]:
            view = await self._to_a_program(look, message)
            away = await self._sight.away(look, message.conversation_id, after=message.position)
            return await each_ones_own(
                look.reader, message, view, away=away, bookmarks=self._bookmarks, polls=self._polls
            )

        return (await look.once(("own", message.message_id), find)).get(person, NOTHING)

    async def message(self, look: Look, message: Message, person: Person) -> MessageView:
        view, own = await self._to_a_program(look, message), await self.own(look, message, person)
        if own.alone is not None:
            program = Caller(tenant_id=message.tenant_id, role="service")
            return await self._messages.one(look.reader, program, message, me=own.alone)
        return view if own == NOTHING else shown(view, own)

    async def conversation(
        self, look: Look, tenant_id: TenantId, here: ConversationId, person: Person
    ) -> ConversationView | None:
        async def find() -> ConversationView | None:
            stored = await self._conversations.find(look.reader, tenant_id, here)
            if stored is None:
                return None
            (view,) = await self._views.of(look.reader, [stored])
            return view

        async def settings() -> Mapping[ParticipantId, Settings]:
            return await self._views.settings(look.reader, here)

        view = await look.once(("conversation view", here), find)
        if view is None or person is None:
            return view
        return await self._views.own(
            look.reader,
            view,
            person,
            settings=(await look.once(("settings", here), settings)).get(person),
            sees_all=await self._sight.includes_all(look, here, person),
        )

    async def _to_a_program(self, look: Look, message: Message) -> MessageView:
        program = Caller(tenant_id=message.tenant_id, role="service")
        return await look.once(
            ("message view", message.message_id),
            lambda: self._messages.one(look.reader, program, message),
        )
