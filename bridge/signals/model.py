"""Signs of life of people in conversations. Times in epoch ms."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, ParticipantId, TenantId

PresenceState = Literal["online", "away", "offline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """`until`: when the indicator ends by itself."""

    participant_id: ParticipantId
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A participant, wherever they take part."""

    tenant_id: TenantId
    participant_id: ParticipantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What somebody's own client, or the platform for them, said last. `seen_at`: when they last did something.

    `until`: when that is not believed any more; None where the other side tells of every change.
    """

    state: PresenceState
    seen_at: int | None
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """How somebody is shown. `seen_at`: None where they were never seen."""

    state: PresenceState
    seen_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """How many messages of a conversation a person has not read."""

    conversation_id: ConversationId
    participant_id: ParticipantId
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPosition:
    """How far somebody has read. `message_id`: the message there."""

    position: int
    read_at: int
    message_id: str
