"""A conversation, as the platform sees it."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, PartyId, TenantId, VendorId
from bridge.participants.model import Participant

Status = Literal["active"]
Role = Literal["host", "vendor"]
Away = Literal["declined", "left", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    tenant_id: TenantId
    conversation_id: ConversationId
    party_id: PartyId
    vendor_id: VendorId
    title: str
    status: Status
    created_at: int


@dataclass(frozen=True, slots=True)
class Member:
    """A participant in a conversation, and as what they take part in it.

    `away`: they are not there any more; `failure`: why they could not be brought in.
    """

    participant: Participant
    role: Role
    away: Away | None = None
    failure: str | None = None
