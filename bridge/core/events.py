"""Domain events: facts in the past tense, recorded in the transaction that made them true."""

from dataclasses import dataclass

from bridge.core.ids import ConversationId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a conversation. Subclasses hold ids and plain JSON values only."""

    tenant_id: TenantId
    conversation_id: ConversationId
