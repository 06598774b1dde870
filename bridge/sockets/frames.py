"""What a client is told of an entry of the feed: which frame, when, and from which place on."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from bridge.conversations.store import ConversationStore
from bridge.core.ids import ParticipantId, TenantId
from bridge.feed.model import Entry, Place
from bridge.messages.scheduled.store import ScheduledStore
from bridge.messages.store import MessageStore
from bridge.signals.reads import UnreadCounts
from bridge.signals.store import ReadStore
from bridge.sockets.look import Look
from bridge.sockets.perspectives import Person, Perspectives
from bridge.sockets.shows import Shows
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
)
from bridge.storage.sealing import CannotOpen
from bridge.web.paging import Cursors

log = structlog.get_logger(__name__)

Who = TypeVar("Who", bound=ParticipantId | None, contravariant=True)
Show = Callable[[Shows, Look, Entry, Who], Awaitable[Happened | None]]
Part = Callable[[Shows, Look, Entry, Person], Awaitable[Hashable]]


@dataclass(frozen=True, slots=True)
class Shape(Generic[Who]):
    """How an entry is told. `name`: the frame's type; `model`: what it has; `when`: for people who read of it.

    `part`: those of whom it gives the same are told in the same words.
    """

    name: str
    model: type[Happened]
    show: Show[Who]
    when: str
    part: Part = Shows.nothing_own


class Frames:
    def __init__(
        self,
        messages: MessageStore,
        conversations: ConversationStore,
        perspectives: Perspectives,
        scheduled: ScheduledStore,
        reads: ReadStore,
        unread: UnreadCounts,
        vendors: VendorsOnSockets,
        cursors: Cursors,
    ) -> None:
        self._cursors = cursors
        self._shows = Shows(
            messages, conversations, perspectives, scheduled, reads, unread, vendors, self.cursor
        )

    async def of(self, look: Look, entry: Entry, *, person: Person) -> str | None:
        """The frame; None where there is none of this kind, or what it would show is gone.

        `person`: who follows what happens, and is shown what they see of it; None: a program.
        """
        return await self._told(look, entry, FRAMES.get(entry.kind), person)

    async def notice(self, look: Look, entry: Entry, *, person: ParticipantId) -> str | None:
        """As `of`, for the notifications of this person."""
        return await self._told(look, entry, NOTICES.get(entry.kind), person)

    async def _told(self, look: Look, entry: Entry, shape: Shape[Who] | None, person: Who) -> str | None:
        if shape is None:
            return None
        asked = ("told", entry.event_id, shape.show, person)
        return await look.once(asked, lambda: self._of(look, entry, shape, person))

    async def _of(self, look: Look, entry: Entry, shape: Shape[Who], person: Who) -> str | None:
        try:
            part = await shape.part(self._shows, look, entry, person)
            words = ("words", entry.event_id, shape.show, part)
            return await look.once(words, lambda: self._words(look, entry, shape, person))
        except CannotOpen as reason:
            why = str(reason)
            return await look.once(("unreadable", entry.event_id), lambda: self._unreadable(entry, why))

    async def _words(self, look: Look, entry: Entry, shape: Shape[Who], person: Who) -> str | None:
        told = await shape.show(self._shows, look, entry, person)
        return None if told is None else told.model_dump_json()

    async def _unreadable(self, entry: Entry, reason: str) -> None:
        log.error("unreadable_entry", event_id=entry.event_id, reason=reason)

    def cursor(self, tenant_id: TenantId, place: Place) -> str:
        return self._cursors.at((place.seq, place.event_id), of=_this_list(tenant_id))

    def place(self, tenant_id: TenantId, cursor: str) -> Place:
        """Raise `InvalidCursor`."""
        seq, event_id = self._cursors.place(cursor, of=_this_list(tenant_id), field="cursor")
        return Place(int(seq), str(event_id))


_AVAILABILITY = Shape(
    "availability",
    OfVendor,
    Shows.vendor,
    "it was said whether a vendor is there; that this ends (`availability_until`) is in no frame",
)
_SCHEDULED_FAILED = Shape(
    "scheduled.failed",
    OfScheduled,
    Shows.scheduled,
    "what was to be said later was refused when its time had come; only its sender is told",
)


def _of_message(name: str, when: str) -> Shape[Person]:
    return Shape(name, OfMessage, Shows.message, when, part=Shows.own_of_message)


FRAMES: Mapping[str, Shape[Person]] = {
    shape.name: shape
    for shape in (
        _of_message(
            "message.sent",
            "something was said on our side (API, platform, Festimo), and is on its way to the room",
        ),
        _of_message("message.received", "something was said in a Matrix client"),
        _of_message("message.delivered", "the room has it"),
        _of_message(
            "message.updated",
            "it was edited, or could not be delivered (`status`)",
        ),
        _of_message("message.deleted", "it was deleted for everyone"),
        _of_message("reaction.changed", "somebody reacted to it, or took that back"),
        Shape(
            "message.read",
            OfReader,
            Shows.reading,
            "somebody has read as far as a message, wherever they read",
        ),
        Shape(
            "conversation.updated",
            OfConversation,
            Shows.conversation,
            "it was opened, closed, renamed ..., somebody came or went, other messages are pinned",
            part=Shows.all_own,
        ),
        Shape(
            "vendor.replied",
            OfReply,
            Shows.reply,
            "a vendor answered: their first message after one of the other side, told after it",
        ),
        Shape("quote.sent", OfQuote, Shows.quote, "a vendor made an offer, or revised one"),
        Shape("quote.accepted", OfQuote, Shows.quote, "a host accepted its latest revision"),
        Shape("quote.declined", OfQuote, Shows.quote, "a host declined its latest revision"),
        Shape("quote.expired", OfQuote, Shows.quote, "nobody answered its latest revision in time"),
        Shape("quote.withdrawn", OfQuote, Shows.quote, "the vendor took it back"),
        Shape("booking.updated", OfBooking, Shows.booking, "a booking is new, or not what it was"),
        _AVAILABILITY,
        Shape("vendor.updated", OfVendor, Shows.vendor, "a vendor's profile is another one"),
        Shape(
            "response_time",
            OfVendor,
            Shows.vendor,
            "a vendor answers faster or slower than before, on average: `response_time_avg` is another figure",
        ),
        Shape("vendor.rated", OfVendor, Shows.vendor, "a host rated them, or otherwise than before"),
        Shape(
            "message.hidden",
            OfHidden,
            Shows.hidden,
            "whoever is connected has deleted it for themselves, perhaps elsewhere; nobody else is told",
        ),
        _SCHEDULED_FAILED,
    )
}
"""By kind of entry, which is the frame's type."""


def _notice(name: str, model: type[Happened], show: Show[ParticipantId], when: str) -> Shape[ParticipantId]:
    return Shape(name, model, show, when, part=Shows.all_own)


_LOOKS_DIFFERENT = _notice(
    "conversation.updated",
    OfConversation,
    Shows.looks_different,
    "the list of conversations looks different: something was said or deleted, they have read, somebody came ...",
)
_SAID = _notice(
    "message.received",
    MessageNotice,
    Shows.said_to_them,
    "somebody else said something, and everybody has it; `mentions_you` where it speaks to this person",
)
NOTICES: Mapping[str, Shape[ParticipantId]] = {
    "message.sent": _LOOKS_DIFFERENT,
    "message.received": _SAID,
    "message.delivered": _SAID,
    "message.deleted": _LOOKS_DIFFERENT,
    "message.read": _notice(
        "conversation.updated", OfConversation, Shows.they_have_read, _LOOKS_DIFFERENT.when
    ),
    "reaction.changed": _notice(
        "reaction.changed",
        ReactionNotice,
        Shows.reaction_to_them,
        "somebody reacted to what this person said, or took that back",
    ),
    "conversation.updated": _LOOKS_DIFFERENT,
    "message.hidden": _notice(
        "message.hidden",
        HiddenNotice,
        Shows.hidden_from_them,
        "this person has deleted it for themselves, perhaps elsewhere",
    ),
    _SCHEDULED_FAILED.name: _SCHEDULED_FAILED,
    _AVAILABILITY.name: _AVAILABILITY,
}
"""The same for a person's notifications."""


def _this_list(tenant_id: TenantId) -> tuple[str, str]:
    return ("feed", tenant_id)
