"""What has to follow the words of messages."""

from typing import Protocol

from bridge.core.ids import ConversationId, TenantId
from bridge.storage.database import Transaction


class Index(Protocol):
    """Finds messages by their words. Told in the very transaction that changes what a message says: no search shows
    words that are gone, or misses one that has been answered as stored."""

    async def put(
        self,
        tx: Transaction,
        *,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        position: int,
        text: str,
        is_new: bool,
    ) -> None:
        """The message at this position says this, and nothing else. `is_new`: it said nothing before."""
        ...


class NoIndex:
    """Where nothing is looked for."""

    async def put(
        self,
        tx: Transaction,
        *,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        position: int,
        text: str,
        is_new: bool,
    ) -> None:
        return
