"""What happened to a conversation."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import ParticipantId


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOpened(Event):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantAdded(Event):
    participant_id: ParticipantId
