"""What each frame shows: how things are now, of a message that was deleted meanwhile no text."""

from collections.abc import Callable
from typing import Any

from bridge.conversations.rules import is_kept_out
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationView, ConversationViews
from bridge.core.caller import Caller
from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId, VendorId
from bridge.feed.model import Entry, Place
from bridge.messages.model import Message
from bridge.messages.scheduled.store import ScheduledStore
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageView, MessageViews
from bridge.signals.reads import UnreadCounts
from bridge.signals.store import ReadStore
from bridge.sockets.look import Look
from bridge.sockets.vendors import VendorsOnSockets
from bridge.sockets.views import (
    Happened,
    HiddenNotice,
    MessageNotice,
    OfBooking,
    OfConversation,
    OfHidden,
    OfMessage,
    OfQuote,
    OfReader,
    OfReply,
    OfScheduled,
    OfVendor,
    ReactionNotice,
    ReaderView,
    Told,
)
from bridge.web.fields import rfc3339

SAID = ("message_count", "last_message", "last_message_at")
"""What a conversation's view tells of its messages."""


class Shows:
    """None: what it would show is gone, or is nothing to this person."""

    def __init__(
        self,
        messages: MessageStore,
        conversations: ConversationStore,
        message_views: MessageViews,
        views: ConversationViews,
        scheduled: ScheduledStore,
        reads: ReadStore,
        unread: UnreadCounts,
        vendors: VendorsOnSockets,
        cursor: Callable[[TenantId, Place], str],
    ) -> None:
        self._messages = messages
        self._conversations = conversations
        self._message_views = message_views
        self._views = views
        self._scheduled = scheduled
        self._reads = reads
        self._unread = unread
        self._vendors = vendors
        self._cursor = cursor

    # Of those who follow a party or a vendor

    async def message(self, look: Look, entry: Entry, _: ParticipantId) -> Told | None:
        shown = await self._message_view(look, entry)
        return None if shown is None else OfMessage(**self._head(entry), message=shown)

    async def conversation(self, look: Look, entry: Entry, seen_by: ParticipantId) -> Told | None:
        """One for all who hear of it, but for what was said last: of that, each is told what they have seen."""
        tenant_id, here = entry.tenant_id, entry.conversation_id
        shown = await self._conversation_view(look, tenant_id, here)
        theirs = await self._conversation_view(look, tenant_id, here, seen_by or None)
        if shown is None or theirs is None:
            return None
        said = {name: getattr(theirs, name) for name in SAID}
        return OfConversation(**self._head(entry), conversation=shown.model_copy(update=said))

    async def reading(self, look: Look, entry: Entry, _: ParticipantId) -> Told | None:
        here, reader = entry.conversation_id, ParticipantId(entry.about["reader_id"])
        position = await look.once(
            ("position", here, reader), lambda: self._reads.position(look.reader, here, reader)
        )
        unread = await look.once(("unread", here), lambda: self._unread.unread(look.reader, [here]))
        shown = ReaderView(
            participant_id=reader,
            last_read_message_id=None if position is None else position.message_id,
            read_at=None if position is None else rfc3339(position.read_at),
            unread_count=unread[here].get(reader, 0),
        )
        return OfReader(**self._head(entry), reader=shown)

    async def vendor(self, look: Look, entry: Entry, _: ParticipantId) -> Happened | None:
        vendor_id = VendorId(entry.about["vendor_id"])
        shown = await self._vendors.shown(look, entry.tenant_id, vendor_id)
        return None if shown is None else OfVendor(**self._event(entry), vendor_id=vendor_id, vendor=shown)

    async def reply(self, look: Look, entry: Entry, _: ParticipantId) -> Told | None:
        about = entry.about
        return OfReply(**self._head(entry), message_id=about["message_id"], vendor_id=about["vendor_id"])

    async def booking(self, look: Look, entry: Entry, _: ParticipantId) -> Told | None:
        return OfBooking(**self._head(entry), booking_id=entry.about["booking_id"])

    async def quote(self, look: Look, entry: Entry, _: ParticipantId) -> Told | None:
        return OfQuote(**self._head(entry), quote_id=entry.about["quote_id"])

    # Of a person's notifications

    async def looks_different(self, look: Look, entry: Entry, person: ParticipantId) -> Told | None:
        shown = await self._conversation_of(look, entry, person)
        head = self._head(entry, kind="conversation.updated")
        return None if shown is None else OfConversation(**head, conversation=shown)

    async def they_have_read(self, look: Look, entry: Entry, person: ParticipantId) -> Told | None:
        """What others have read changes nothing in their list."""
        return await self.looks_different(look, entry, person) if entry.about["reader_id"] == person else None

    async def said_to_them(self, look: Look, entry: Entry, person: ParticipantId) -> Told | None:
        """Once everybody has it: only then it counts as unread."""
        message = await self._message(look, entry)
        if message is not None and message.sender_id == person:
            # They said it in their client; what they said elsewhere, they were told of.
            return await self.looks_different(look, entry, person) if message.from_client else None
        shown = await self._conversation_of(look, entry, person)
        if (
            message is None
            or message.is_deleted
            or shown is None
            or await self._is_kept_out(look, entry, person)
        ):
            return None
        return MessageNotice(
            **self._head(entry, kind="message.received"),
            message_id=message.message_id,
            sender_id=message.sender_id,
            sender_type=message.sender_type,
            mentions_you=person in message.mentions,
            conversation=shown,
        )

    async def reaction_to_them(self, look: Look, entry: Entry, person: ParticipantId) -> Told | None:
        message = await self._message(look, entry)
        if message is None or message.sender_id != person or await self._is_kept_out(look, entry, person):
            return None
        shown = await self._message_view(look, entry)
        if shown is None:
            return None
        reactions = [one.model_copy(update={"mine": person in one.participants}) for one in shown.reactions]
        return ReactionNotice(**self._head(entry), message_id=shown.message_id, reactions=reactions)

    # Of what concerns one person alone

    async def hidden(self, look: Look, entry: Entry, _: ParticipantId) -> Told | None:
        return OfHidden(
            **self._head(entry),
            message_id=entry.about["message_id"],
            participant_id=entry.about["participant_id"],
        )

    async def hidden_from_them(self, look: Look, entry: Entry, person: ParticipantId) -> Told | None:
        shown = await self._conversation_of(look, entry, person)
        if shown is None:
            return None
        return HiddenNotice(
            **self._head(entry),
            message_id=entry.about["message_id"],
            participant_id=person,
            conversation=shown,
        )

    async def scheduled(self, look: Look, entry: Entry, _: ParticipantId) -> Told | None:
        scheduled_id = MessageId(entry.about["scheduled_id"])
        found = await self._scheduled.find(look.reader, entry.tenant_id, scheduled_id)
        if found is None:
            return None
        return OfScheduled(
            **self._head(entry),
            scheduled_id=scheduled_id,
            participant_id=found.sender_id,
            send_at=rfc3339(found.send_at),
            status=found.status,
            failure_reason=found.failure_reason,
        )

    # What is looked up

    def _head(self, entry: Entry, *, kind: str | None = None) -> dict[str, Any]:
        return {**self._event(entry, kind=kind), "conversation_id": entry.conversation_id}

    def _event(self, entry: Entry, *, kind: str | None = None) -> dict[str, Any]:
        return {
            "type": kind or entry.kind,
            "cursor": self._cursor(entry.tenant_id, entry.place),
            "event_id": entry.event_id,
            "number": entry.number,
            "occurred_at": rfc3339(entry.created_at),
        }

    async def _message(self, look: Look, entry: Entry) -> Message | None:
        """None of a conversation that is deleted, too."""
        here, message_id = entry.conversation_id, MessageId(entry.about["message_id"])
        stored = await look.once(
            ("conversation", here), lambda: self._conversations.find(look.reader, entry.tenant_id, here)
        )
        if stored is None:
            return None
        return await look.once(
            ("message", message_id), lambda: self._messages.find(look.reader, entry.tenant_id, message_id)
        )

    async def _message_view(self, look: Look, entry: Entry) -> MessageView | None:
        message = await self._message(look, entry)
        if message is None:
            return None
        # One frame for all who hear of it: as a program sees it, nobody's own marks in it.
        program = Caller(tenant_id=entry.tenant_id, role="service")
        return await look.once(
            ("message view", message.message_id),
            lambda: self._message_views.one(look.reader, program, message),
        )

    async def _conversation_of(
        self, look: Look, entry: Entry, person: ParticipantId
    ) -> ConversationView | None:
        shown = await self._conversation_view(look, entry.tenant_id, entry.conversation_id, person)
        # Notifications go further than what is read: nothing of what was said is in them.
        return None if shown is None else shown.model_copy(update={"last_message": None})

    async def _conversation_view(
        self, look: Look, tenant_id: TenantId, here: ConversationId, person: ParticipantId | None = None
    ) -> ConversationView | None:
        async def find() -> ConversationView | None:
            stored = await self._conversations.find(look.reader, tenant_id, here)
            if stored is None:
                return None
            (view,) = await self._views.of(look.reader, [stored], person=person)
            return view

        return await look.once(("conversation view", here, person), find)

    async def _is_kept_out(self, look: Look, entry: Entry, person: ParticipantId) -> bool:
        async def find() -> bool:
            stored = await self._conversations.find(look.reader, entry.tenant_id, entry.conversation_id)
            member = await self._conversations.member(look.reader, entry.conversation_id, person)
            return stored is None or member is None or is_kept_out(stored.conversation, member.role)

        return await look.once(("kept out", entry.conversation_id, person), find)
