"""What is looked for."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.messages.model import Kind, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`words`: all of which it holds. `participant_id`: whose conversations alone, as they see them; None: all of the
    tenant's. `start`, `end`: when it was said, in epoch ms; the end is not part of it. None lets all through. `since`:
    nothing up to this position is meant."""

    tenant_id: TenantId
    words: str | None = None
    participant_id: ParticipantId | None = None
    conversation_id: ConversationId | None = None
    sender_id: ParticipantId | None = None
    kind: Kind | None = None
    start: int | None = None
    end: int | None = None
    since: int = 0


Origin = Literal["conversation", "sender", "person", "everywhere"]
"""Among what is said where, or by whom, something is looked for that is not found by a word."""


@dataclass(frozen=True, slots=True)
class Found:
    """Newest first. `more`: there are others before the last one."""

    messages: list[Message]
    more: bool
