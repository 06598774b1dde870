"""What a recap needs to know of the place where the conversation is held."""

from typing import Protocol

from bridge.core.ids import ConversationId
from bridge.storage.database import Reader


class Place(Protocol):
    async def is_sending(self, reader: Reader, conversation_id: ConversationId) -> bool:
        """Whether a message of ours is on its way, of which nobody knows yet whether it has arrived."""
        ...

    async def link(self, reader: Reader, conversation_id: ConversationId, origin_id: str) -> str | None:
        """An address that leads people to the message."""
        ...
