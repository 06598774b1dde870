"""Which events have an entry in the feed, under which name, and which of their ids it keeps: never what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.bookings.events import BookingUpdated
from bridge.conversations.events import (
    ConversationChanged,
    ConversationOpened,
    ConversationStatusChanged,
    ParticipantAdded,
    ParticipantCame,
    ParticipantLeft,
)
from bridge.core.events import Event
from bridge.leads.events import MessageLinked
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
from bridge.vendors.events import VendorRated, VendorStatusChanged, VendorUpdated


@dataclass(frozen=True, slots=True)
class Kind:
    """`private`: of concern to `participant_id` alone; nobody else is to know that anything happened."""

    name: str
    keeps: Sequence[str] = ()
    private: bool = False


KINDS: Mapping[type[Event], Kind] = {
    MessagePosted: Kind("message.sent", ("message_id",)),
    MessageReceived: Kind("message.received", ("message_id",)),
    MessageDelivered: Kind("message.delivered", ("message_id",)),
    MessageFailed: Kind("message.updated", ("message_id",)),
    MessageEdited: Kind("message.updated", ("message_id",)),
    MessageLinked: Kind("message.updated", ("message_id",)),
    MessageDeleted: Kind("message.deleted", ("message_id",)),
    ReactionAdded: Kind("reaction.changed", ("message_id",)),
    ReactionRemoved: Kind("reaction.changed", ("message_id",)),
    MessageHidden: Kind("message.hidden", ("message_id", "participant_id"), private=True),
    ScheduledMessageFailed: Kind("scheduled.failed", ("scheduled_id", "participant_id"), private=True),
    PollVoted: Kind("message.updated", ("message_id",)),
    PollEnded: Kind("message.updated", ("message_id",)),
    ConversationRead: Kind("message.read", ("reader_id",)),
    ConversationOpened: Kind("conversation.updated"),
    ConversationStatusChanged: Kind("conversation.updated"),
    ConversationChanged: Kind("conversation.updated"),
    PinsChanged: Kind("conversation.updated"),
    ParticipantAdded: Kind("conversation.updated", ("participant_id",)),
    ParticipantCame: Kind("conversation.updated", ("participant_id",)),
    ParticipantLeft: Kind("conversation.updated", ("participant_id",)),
    QuoteSent: Kind("quote.sent", ("quote_id",)),
    QuoteAccepted: Kind("quote.accepted", ("quote_id",)),
    QuoteDeclined: Kind("quote.declined", ("quote_id",)),
    QuoteExpired: Kind("quote.expired", ("quote_id",)),
    QuoteWithdrawn: Kind("quote.withdrawn", ("quote_id",)),
    BookingUpdated: Kind("booking.updated", ("booking_id",)),
    VendorUpdated: Kind("vendor.updated", ("vendor_id",)),
    VendorStatusChanged: Kind("availability", ("vendor_id",)),
    VendorRated: Kind("vendor.rated", ("vendor_id",)),
}
PRIVATE = frozenset(kind.name for kind in KINDS.values() if kind.private)
