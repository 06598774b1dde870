"""What became of messages that are said later. That one was sent is told as any message is."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import MessageId, ParticipantId


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledMessageFailed(Event):
    """It was refused when its time had come: read it for why. Of concern to `participant_id` alone, whose it is."""

    scheduled_id: MessageId
    participant_id: ParticipantId
