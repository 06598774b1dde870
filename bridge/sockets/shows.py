"""What each frame shows: how things are now, as the person sees them for whom it is; of a message that was deleted
meanwhile no text."""

from collections.abc import Callable, Hashable
from typing import Any

from bridge.conversations.rules import is_kept_out
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationView
from bridge.core.ids import MessageId, ParticipantId, TenantId, VendorId
from bridge.feed.model import Entry, Place
from bridge.messages.model import Message
from bridge.messages.scheduled.store import ScheduledStore
from bridge.messages.store import MessageStore
from bridge.signals.reads import UnreadCounts
from bridge.signals.store import ReadStore
from bridge.sockets.look import Look
from bridge.sockets.perspectives import Person, Perspectives
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


class Shows:
    """None: what it would show is gone, or is nothing to this person."""

    def __init__(
        self,
        messages: MessageStore,
        conversations: ConversationStore,
        perspectives: Perspectives,
        scheduled: ScheduledStore,
        reads: ReadStore,
        unread: UnreadCounts,
        vendors: VendorsOnSockets,
        cursor: Callable[[TenantId, Place], str],
    ) -> None:
        self._messages = messages
        self._conversations = conversations
        self._perspectives = perspectives
        self._scheduled = scheduled
        self._reads = reads
        self._unread = unread
        self._vendors = vendors
        self._cursor = cursor

    # Who is shown the same: those of whom this is equal

    async def nothing_own(self, look: Look, entry: Entry, _: Person) -> Hashable:
        return None

    async def all_own(self, look: Look, entry: Entry, person: Person) -> Hashable:
        return person

    async def own_of_message(self, look: Look, entry: Entry, person: Person) -> Hashable:
        message = await self._message(look, entry)
        return None if message is None else await self._perspectives.own(look, message, person)

    # Of those who follow a party or a vendor

    async def message(self, look: Look, entry: Entry, person: Person) -> Told | None:
        message = await self._message(look, entry)
        if message is None:
            return None
        return OfMessage(**self._head(entry), message=await self._perspectives.message(look, message, person))

    async def conversation(self, look: Look, entry: Entry, person: Person) -> Told | None:
        shown = await self._perspectives.conversation(look, entry.tenant_id, entry.conversation_id, person)
        return None if shown is None else OfConversation(**self._head(entry), conversation=shown)

    async def reading(self, look: Look, entry: Entry, _: Person) -> Told | None:
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

    async def vendor(self, look: Look, entry: Entry, _: Person) -> Happened | None:
        vendor_id = VendorId(entry.about["vendor_id"])
        shown = await self._vendors.shown(look, entry.tenant_id, vendor_id)
        return None if shown is None else OfVendor(**self._event(entry), vendor_id=vendor_id, vendor=shown)

    async def reply(self, look: Look, entry: Entry, _: Person) -> Told | None:
        about = entry.about
        return OfReply(**self._head(entry), message_id=about["message_id"], vendor_id=about["vendor_id"])

    async def booking(self, look: Look, entry: Entry, _: Person) -> Told | None:
        return OfBooking(**self._head(entry), booking_id=entry.about["booking_id"])

    async def quote(self, look: Look, entry: Entry, _: Person) -> Told | None:
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
        if message is None or message.is_deleted or await self._is_kept_out(look, entry, person):
            return None
        shown = await self._conversation_of(look, entry, person)
        if shown is None:
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
        shown = await self._perspectives.message(look, message, person)
        return ReactionNotice(**self._head(entry), message_id=shown.message_id, reactions=shown.reactions)

    # Of what concerns one person alone

    async def hidden(self, look: Look, entry: Entry, _: Person) -> Told | None:
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

    async def scheduled(self, look: Look, entry: Entry, _: Person) -> Told | None:
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

    async def _conversation_of(
        self, look: Look, entry: Entry, person: ParticipantId
    ) -> ConversationView | None:
        shown = await self._perspectives.conversation(look, entry.tenant_id, entry.conversation_id, person)
        # Notifications go further than what is read: nothing of what was said is in them.
        return None if shown is None else shown.model_copy(update={"last_message": None})

    async def _is_kept_out(self, look: Look, entry: Entry, person: ParticipantId) -> bool:
        async def find() -> bool:
            stored = await self._conversations.find(look.reader, entry.tenant_id, entry.conversation_id)
            member = await self._conversations.member(look.reader, entry.conversation_id, person)
            return stored is None or member is None or is_kept_out(stored.conversation, member.role)

        return await look.once(("kept out", entry.conversation_id, person), find)
