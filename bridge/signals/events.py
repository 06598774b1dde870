"""What happened to signals. Only `ConversationRead` is a fact that is kept; the others pass."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import ParticipantId, TenantId
from bridge.signals.model import PresenceState


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRead(Event):
    """Somebody has read up to a position; `at` in epoch ms.

    `in_client`: in their own client, where everybody sees it; else the conversation's other side has yet to be told.
    """

    reader_id: ParticipantId
    position: int
    at: int
    in_client: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TypingChanged(Event):
    """`until`: when it ends by itself, in epoch ms; None where it has ended."""

    participant_id: ParticipantId
    until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceChanged:
    """Of a person, in all their conversations."""

    tenant_id: TenantId
    participant_id: ParticipantId
    state: PresenceState
    seen_at: int | None
