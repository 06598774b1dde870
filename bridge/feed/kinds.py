"""Which events have an entry in the feed, under which name, and which of their ids it keeps: never what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.bookings.events import BookingUpdated
from bridge.conversations.events import (
    ConversationChanged,
    ConversationOpened,
    ConversationStatusChanged,
    ParticipantAdded,
    ParticipantCame,
    ParticipantDeclined,
    ParticipantLeft,
    ParticipantRemoved,
)
from bridge.core.events import Event
from bridge.leads.events import LeadStatusChanged, MessageLinked
from bridge.messages.events import (
    MessageDeleted,
    MessageDelivered,
    MessageEdited,
    MessageFailed,
    MessagePosted,
    MessageReceived,
)
from bridge.messages.hidden.events import MessageHidden
from bridge.messages.pins.events import PinsChanged
from bridge.messages.polls.events import PollEnded, PollVoted
from bridge.messages.reactions.events import ReactionAdded, ReactionRemoved
from bridge.messages.scheduled.events import ScheduledMessageFailed
from bridge.quotes.events import QuoteAccepted, QuoteDeclined, QuoteExpired, QuoteSent, QuoteWithdrawn
from bridge.signals.events import ConversationRead
from bridge.statistics.events import ResponseTimeChanged, VendorReplied
from bridge.vendors.events import VendorRated, VendorStatusChanged, VendorUpdated


@dataclass(frozen=True, slots=True)
class Kind:
    """`name`: what clients are told, who then look at the thing as it is. `private`: of concern to `participant_id`
    alone; nobody else is to know that anything happened.

    `event`: what programs are told, who want to know which of several things it was; the same where it is left out.
    `by_status`: instead, by the event's `status`.
    """

    name: str
    keeps: Sequence[str] = ()
    private: bool = False
    event: str | None = None
    by_status: Mapping[str, str] = field(default_factory=dict)

    @property
    def events(self) -> Sequence[str]:
        """All that programs may be told of it."""
        return tuple(self.by_status.values()) or (self.event or self.name,)

    def event_of(self, event: Event) -> str:
        status: str | None = getattr(event, "status", None) if self.by_status else None
        return self.by_status[status] if status is not None else self.event or self.name


KINDS: Mapping[type[Event], Kind] = {
    MessagePosted: Kind("message.sent", ("message_id",)),
    MessageReceived: Kind("message.received", ("message_id",), event="message.sent"),
    MessageDelivered: Kind("message.delivered", ("message_id",)),
    MessageFailed: Kind("message.updated", ("message_id",), event="message.failed"),
    MessageEdited: Kind("message.updated", ("message_id",), event="message.edited"),
    MessageLinked: Kind("message.updated", ("message_id",), event="message.linked"),
    MessageDeleted: Kind("message.deleted", ("message_id",)),
    ReactionAdded: Kind("reaction.changed", ("message_id",), event="reaction.added"),
    ReactionRemoved: Kind("reaction.changed", ("message_id",), event="reaction.removed"),
    MessageHidden: Kind("message.hidden", ("message_id", "participant_id"), private=True),
    ScheduledMessageFailed: Kind("scheduled.failed", ("scheduled_id", "participant_id"), private=True),
    PollVoted: Kind("message.updated", ("message_id",), event="poll.voted"),
    PollEnded: Kind("message.updated", ("message_id",), event="poll.closed"),
    ConversationRead: Kind("message.read", ("reader_id",)),
    ConversationOpened: Kind("conversation.updated", event="conversation.created"),
    ConversationStatusChanged: Kind(
        "conversation.updated",
        by_status={
            "active": "conversation.reopened",
            "archived": "conversation.archived",
            "closed": "conversation.closed",
            "blocked": "conversation.blocked",
        },
    ),
    ConversationChanged: Kind("conversation.updated"),
    PinsChanged: Kind("conversation.updated", event="conversation.pins_changed"),
    ParticipantAdded: Kind("conversation.updated", ("participant_id",), event="participant.added"),
    ParticipantCame: Kind("conversation.updated", ("participant_id",), event="participant.came"),
    ParticipantDeclined: Kind("conversation.updated", ("participant_id",), event="participant.declined"),
    ParticipantLeft: Kind("conversation.updated", ("participant_id",), event="participant.left"),
    ParticipantRemoved: Kind("conversation.updated", ("participant_id",), event="participant.removed"),
    LeadStatusChanged: Kind("conversation.updated", ("lead_id",), event="lead.status_changed"),
    VendorReplied: Kind("vendor.replied", ("message_id", "vendor_id")),
    QuoteSent: Kind("quote.sent", ("quote_id",)),
    QuoteAccepted: Kind("quote.accepted", ("quote_id",)),
    QuoteDeclined: Kind("quote.declined", ("quote_id",)),
    QuoteExpired: Kind("quote.expired", ("quote_id",)),
    QuoteWithdrawn: Kind("quote.withdrawn", ("quote_id",)),
    BookingUpdated: Kind("booking.updated", ("booking_id",)),
    VendorUpdated: Kind("vendor.updated", ("vendor_id",)),
    VendorStatusChanged: Kind("availability", ("vendor_id",), event="vendor.status_changed"),
    VendorRated: Kind("vendor.rated", ("vendor_id",)),
    ResponseTimeChanged: Kind("response_time", ("vendor_id",), event="vendor.response_time_changed"),
}
PRIVATE = frozenset(kind.name for kind in KINDS.values() if kind.private)
