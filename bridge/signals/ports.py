"""Whom signals from our side are told to, outside."""

from typing import Protocol

from bridge.core.ids import ConversationId
from bridge.participants.model import Participant


class TypingOutside(Protocol):
    def typing(self, conversation_id: ConversationId, person: Participant, *, is_typing: bool) -> None:
        """Pass it on when there is time; it may be dropped. Returns at once."""
        ...
