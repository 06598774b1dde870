"""Which events have an entry in the feed, under which name, and which of their ids it keeps: never what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.conversations.events import ConversationOpened, ParticipantAdded
from bridge.core.events import Event
from bridge.messages.events import (
    MessageDeleted,
    MessageDelivered,
    MessageEdited,
    MessageFailed,
    MessagePosted,
    MessageReceived,
)


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    keeps: Sequence[str] = ()


KINDS: Mapping[type[Event], Kind] = {
    MessagePosted: Kind("message.sent", ("message_id",)),
    MessageReceived: Kind("message.received", ("message_id",)),
    MessageDelivered: Kind("message.delivered", ("message_id",)),
    MessageFailed: Kind("message.updated", ("message_id",)),
    MessageEdited: Kind("message.updated", ("message_id",)),
    MessageDeleted: Kind("message.deleted", ("message_id",)),
    ConversationOpened: Kind("conversation.updated"),
    ParticipantAdded: Kind("conversation.updated", ("participant_id",)),
}
