"""Signs of life of people in conversations. Times in epoch ms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId

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
class Thread:
    """What one message began. `origin_id`: the outside's id of it; `message_id`: ours; each where there is one."""

    origin_id: str | None
    message_id: MessageId | None

    @property
    def names(self) -> Sequence[str]:
        """By which its messages name it: those from clients by the outside's."""
        return [name for name in (self.origin_id, self.message_id) if name is not None]


NO_THREAD: Final = "main"
"""What stands in no thread, with the messages that began one."""
Part = Thread | Literal["main"]
"""What is read apart from the rest of a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPosition:
    """How far somebody has read, threads apart. `message_id`: the message there."""

    position: int
    read_at: int
    message_id: str
