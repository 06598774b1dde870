"""What has to follow the words of messages, and what their views show that others know."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.core.ids import ConversationId, LeadId, MessageId, TenantId
from bridge.messages.model import Delivery, Message
from bridge.storage.database import Reader, Transaction


class Deliveries(Protocol):
    async def of(self, reader: Reader, messages: Sequence[Message]) -> Mapping[MessageId, Delivery]:
        """Of each of them."""
        ...


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


class KnownLeads(Protocol):
    async def is_of(
        self, reader: Reader, tenant_id: TenantId, lead_id: LeadId, conversation_id: ConversationId
    ) -> bool:
        """Whether it is a lead of this conversation."""
        ...


class NoLeads:
    """Where nothing belongs to any."""

    async def is_of(
        self, reader: Reader, tenant_id: TenantId, lead_id: LeadId, conversation_id: ConversationId
    ) -> bool:
        return False
