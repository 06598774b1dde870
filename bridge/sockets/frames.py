"""What a client is told of an entry of the feed: which frame, when, and from which place on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationViews
from bridge.core.ids import ParticipantId, TenantId
from bridge.feed.model import Entry, Place
from bridge.messages.scheduled.store import ScheduledStore
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageViews
from bridge.signals.reads import UnreadCounts
from bridge.signals.store import ReadStore
from bridge.sockets.look import Look
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


class Frames:
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
        cursors: Cursors,
    ) -> None:
        self._cursors = cursors
        self._shows = Shows(
            messages, conversations, message_views, views, scheduled, reads, unread, vendors, self.cursor
        )

    async def of(
        self,
        look: Look,
        entry: Entry,
        *,
        person: ParticipantId | None,
        seen_by: ParticipantId | None = None,
    ) -> str | None:
        """The frame; None where there is none of this kind, or what it would show is gone.

        `person`: whose notifications it is for; None: for those who follow what happens. `seen_by`: which of these it
        is for, if they do not see all that the others do.
        """
        name = ("frame", entry.event_id, person, seen_by)
        return await look.once(name, lambda: self._of(look, entry, person, seen_by))

    async def _of(
        self, look: Look, entry: Entry, person: ParticipantId | None, seen_by: ParticipantId | None
    ) -> str | None:
        shape = (FRAMES if person is None else NOTICES).get(entry.kind)
        if shape is None:
            return None
        try:
            told = await shape.show(self._shows, look, entry, person or seen_by or ParticipantId(""))
        except CannotOpen as reason:
            log.error("unreadable_entry", event_id=entry.event_id, reason=str(reason))
            return None
        return None if told is None else told.model_dump_json()

    def cursor(self, tenant_id: TenantId, place: Place) -> str:
        return self._cursors.at((place.seq, place.event_id), of=_this_list(tenant_id))

    def place(self, tenant_id: TenantId, cursor: str) -> Place:
        """Raise `InvalidCursor`."""
        seq, event_id = self._cursors.place(cursor, of=_this_list(tenant_id), field="cursor")
        return Place(int(seq), str(event_id))


Show = Callable[[Shows, Look, Entry, ParticipantId], Awaitable[Happened | None]]


@dataclass(frozen=True, slots=True)
class Shape:
    """How an entry is told. `name`: the frame's type; `model`: what it has; `when`: for people who read of it."""

    name: str
    model: type[Happened]
    show: Show
    when: str


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
FRAMES: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape(
            "message.sent",
            OfMessage,
            Shows.message,
            "something was said on our side (API, platform, Festimo), and is on its way to the room",
        ),
        Shape("message.received", OfMessage, Shows.message, "something was said in a Matrix client"),
        Shape("message.delivered", OfMessage, Shows.message, "the room has it"),
        Shape(
            "message.updated",
            OfMessage,
            Shows.message,
            "it was edited, or could not be delivered (`status`)",
        ),
        Shape("message.deleted", OfMessage, Shows.message, "it was deleted for everyone"),
        Shape("reaction.changed", OfMessage, Shows.message, "somebody reacted to it, or took that back"),
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
_LOOKS_DIFFERENT = Shape(
    "conversation.updated",
    OfConversation,
    Shows.looks_different,
    "the list of conversations looks different: something was said or deleted, they have read, somebody came ...",
)
_SAID = Shape(
    "message.received",
    MessageNotice,
    Shows.said_to_them,
    "somebody else said something, and everybody has it; `mentions_you` where it speaks to this person",
)
NOTICES: Mapping[str, Shape] = {
    "message.sent": _LOOKS_DIFFERENT,
    "message.received": _SAID,
    "message.delivered": _SAID,
    "message.deleted": _LOOKS_DIFFERENT,
    "message.read": Shape(
        "conversation.updated", OfConversation, Shows.they_have_read, _LOOKS_DIFFERENT.when
    ),
    "reaction.changed": Shape(
        "reaction.changed",
        ReactionNotice,
        Shows.reaction_to_them,
        "somebody reacted to what this person said, or took that back",
    ),
    "conversation.updated": _LOOKS_DIFFERENT,
    "message.hidden": Shape(
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
