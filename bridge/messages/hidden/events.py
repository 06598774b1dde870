"""What somebody wants to see no more."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import MessageId, ParticipantId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHidden(Event):
    """`participant_id` has deleted the message for themselves. Nobody else is to know."""

    message_id: MessageId
    participant_id: ParticipantId
