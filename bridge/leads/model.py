"""A lead: somebody wants something of a vendor."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, LeadId, MessageId, ParticipantId, TenantId, VendorId

Status = Literal["new", "answered", "won", "lost"]
Outcome = Literal["won", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """`message_id`: what began its thread. `status`: what it has come to; `declared`: what somebody said of that.

    Times in epoch ms.
    """

    tenant_id: TenantId
    lead_id: LeadId
    conversation_id: ConversationId
    vendor_id: VendorId
    host_id: ParticipantId
    title: str
    service_type: str | None
    message_id: MessageId
    status: Status
    declared: Outcome | None
    created_at: int
    updated_at: int
