"""What happened to leads."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import LeadId, MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLinked(Event):
    """A message belongs to another lead than before; None: to none."""

    message_id: MessageId
    lead_id: LeadId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadStatusChanged(Event):
    """It has come to something else, by what happened in its conversation or by what somebody said of it."""

    lead_id: LeadId
