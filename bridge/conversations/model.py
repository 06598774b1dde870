"""A conversation, as the platform sees it."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, PartyId, TenantId, VendorId

Status = Literal["active"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    tenant_id: TenantId
    conversation_id: ConversationId
    party_id: PartyId
    vendor_id: VendorId
    title: str
    status: Status
    created_at: int
