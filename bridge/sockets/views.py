"""How what clients are told looks: a model for each shape of frame."""

from typing import Literal

from pydantic import BaseModel, Field

from bridge.conversations.views import ConversationView
from bridge.messages.model import SenderType
from bridge.messages.reactions.views import ReactionView
from bridge.messages.scheduled.model import Status
from bridge.messages.views import MessageView
from bridge.signals.model import PresenceState
from bridge.vendors.views import VendorView
from bridge.web.fields import Time


class Welcome(BaseModel):
    """The first frame."""

    type: Literal["welcome"] = "welcome"
    cursor: str = Field(description="where you begin")


class CursorFrame(BaseModel):
    """Nothing concerned you for long; your cursor, fresh."""

    type: Literal["cursor"] = "cursor"
    cursor: str


class Happened(BaseModel):
    """Something that happened. It shows how things are now."""

    type: str
    cursor: str = Field(description="where you are when you have this")
    event_id: str = Field(description="names what happened, for ever")
    number: int = Field(
        description="counts what happened in the conversation or to the vendor, told here or not: 1, 2, 3 ...; 0 of"
        " what concerns one person alone"
    )
    occurred_at: Time


class Told(Happened):
    """In a conversation."""

    conversation_id: str


class OfVendor(Happened):
    vendor_id: str
    vendor: VendorView = Field(description="as who has no right to their contact sees them")


class OfMessage(Told):
    message: MessageView


class OfReply(Told):
    """A vendor answered. What they said is told before it, as a message."""

    message_id: str
    vendor_id: str = Field(description="who answered, by that message")


class ReaderView(BaseModel):
    participant_id: str = Field(description="who has read")
    last_read_message_id: str | None = Field(
        description="as far as this, and all that was said before it; what they have read of a thread alone is apart."
        " null where they have read of threads only"
    )
    read_at: Time | None
    unread_count: int = Field(description="what they have not read of this conversation")


class OfReader(Told):
    reader: ReaderView


class OfConversation(Told):
    conversation: ConversationView


class OfQuote(Told):
    """What it offers, and for how much, the REST API tells."""

    quote_id: str


class OfBooking(Told):
    booking_id: str = Field(description="read it for what it is now")


class MessageNotice(Told):
    """Nothing of what was said is in it."""

    message_id: str
    sender_id: str | None = Field(description="the participant; null for Festimo and the platform")
    sender_type: SenderType
    mentions_you: bool = Field(description="it speaks to this person")
    conversation: ConversationView = Field(description="as this person sees it, with their unread count")


class ReactionNotice(Told):
    message_id: str = Field(description="something that this person said")
    reactions: list[ReactionView] = Field(description="all to it, in the order in which each emoji came up")


class OfHidden(Told):
    """One person has deleted a message for themselves; nobody else is told."""

    message_id: str
    participant_id: str = Field(description="who sees it no more")


class HiddenNotice(OfHidden):
    conversation: ConversationView = Field(description="as this person sees it now, with their unread count")


class OfScheduled(Told):
    """Nothing of what was to be said is in it; only its sender is told."""

    scheduled_id: str
    participant_id: str = Field(description="whose it is")
    send_at: Time
    status: Status = Field(description="as it is now: it may have been scheduled once more, or cancelled")
    failure_reason: str | None = Field(description="why it was refused; null once that is over")


class TypingIndicator(BaseModel):
    """Not kept, and nobody comes back to it."""

    type: Literal["typing.indicator"] = "typing.indicator"
    conversation_id: str
    participant_id: str
    is_typing: bool
    until: Time | None = Field(
        description="when it ends by itself, should you hear no more; null: it has ended"
    )


class PresenceFrame(BaseModel):
    """Not kept, and nobody comes back to it."""

    type: Literal["presence.changed"] = "presence.changed"
    participant_id: str
    presence: PresenceState
    last_seen: Time | None = Field(description="null where they were never seen")
