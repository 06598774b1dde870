"""What happened to leads."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import LeadId, MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLinked(Event):
    """A message belongs to another lead than before; None: to none."""

    message_id: MessageId
    lead_id: LeadId | None
