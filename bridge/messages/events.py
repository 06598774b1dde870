"""What happened to messages."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePosted(Event):
    """Somebody said something on our side (API, platform, Festimo): it has yet to be delivered."""

    message_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(Event):
    """Somebody said something in the conversation's room: everybody there has it already.

    `is_reply`: it answers another message.
    """

    message_id: MessageId
    for_festimo: bool
    automated: bool
    is_reply: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidToFestimo(Event):
    """What a person said on our side was said to Festimo, in its `MessagePosted`'s transaction, and behind that.

    Never what Festimo, the platform or a program says in its own name; not told again where the message is tried again.
    `for_festimo`: as of `MessageReceived`; `is_reply`: it answers what Festimo said.
    """

    message_id: MessageId
    for_festimo: bool
    is_reply: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered(Event):
    """Everybody in the conversation's room has what was said on our side."""

    message_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFailed(Event):
    """What was said on our side could not be delivered: read the message for why."""

    message_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited(Event):
    """What a message says was changed, by its sender: read the message for what it says now.

    `edit_id`: which edit it was, where it has yet to be delivered; None where everybody in the room has it already.
    """

    message_id: MessageId
    edit_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeleted(Event):
    """A message was deleted for everyone: what it said is gone here, too.

    `in_client`: deleted in the room, where everybody has seen it; else it has yet to be delivered.
    """

    message_id: MessageId
    in_client: bool
