"""What the views of conversations show and others know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.storage.database import Reader


@dataclass(frozen=True, slots=True)
class LastMessage:
    """`text`: nothing, where it was deleted."""

    message_id: MessageId
    sender_id: ParticipantId | None
    text: str


@dataclass(frozen=True, slots=True)
class Figures:
    """`last_message_at`: when the last message was said, in milliseconds."""

    message_count: int
    last_message_at: int
    last: LastMessage | None = None


class MessageFigures(Protocol):
    async def figures(
        self,
        reader: Reader,
        conversation_ids: Sequence[ConversationId],
        *,
        person: ParticipantId | None = None,
    ) -> Mapping[ConversationId, Figures]:
        """Of those in which something was said; without what `person` has deleted for themselves."""
        ...


class RoomIds(Protocol):
    async def room_ids(
        self, reader: Reader, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, str]:
        """Of those that have a room already."""
        ...


class UnreadCounts(Protocol):
    async def unread(
        self, reader: Reader, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, Mapping[ParticipantId, int]]:
        """How many messages each person who is there has not read."""
        ...
