"""What happened to reactions."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionAdded(Event):
    """Somebody reacted to a message. `in_client`: in the room, where everybody has seen it."""

    message_id: MessageId
    reaction_id: str
    in_client: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionRemoved(Event):
    """Somebody took a reaction back: all of it, however it was made. It is kept until the room has been told."""

    message_id: MessageId
    reaction_id: str
    in_client: bool
