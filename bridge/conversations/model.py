"""A conversation, as the platform sees it."""

from dataclasses import dataclass, field
from typing import Literal

from bridge.core.ids import BookingId, ConversationId, PartyId, TenantId, VendorId
from bridge.participants.model import Participant

Type = Literal["direct", "group", "support"]
Status = Literal["active", "archived", "closed", "blocked"]
Action = Literal["archive", "unarchive", "close", "reopen", "block"]
Side = Literal["host", "vendor"]
Role = Literal["host", "vendor", "staff"]
Standing = Literal["owner", "admin", "member"]
Away = Literal["declined", "left", "removed", "blocked"]
Resolution = Literal["open", "resolved", "unresolved"]
Scope = Literal["party_vendor", "host_vendor"]
Priority = Literal["low", "normal", "high", "urgent"]
NotificationLevel = Literal["all", "mentions", "none"]
MetadataValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """`party_id` is None in a direct inquiry, `vendor_id` in a party's own conversation. `party_ids`: those that it is
    listed under, in the order in which it came to be; `party_id` is the one that it was opened for.

    Times in epoch ms. `closed_at` stays while it is archived: nobody writes in the archive of what was closed.
    `blocked_side`: who is kept out while it is blocked. `resolution`: of support, and of nothing else;
    `resolved_at`: since when it is that, None while it is open.
    """

    tenant_id: TenantId
    conversation_id: ConversationId
    party_id: PartyId | None
    vendor_id: VendorId | None
    title: str
    status: Status
    created_at: int
    type: Type = "direct"
    priority: Priority = "normal"
    event_id: str | None = None
    lead_id: str | None = None
    service_type: str | None = None
    closed_at: int | None = None
    archived_at: int | None = None
    deleted_at: int | None = None
    blocked_side: Side | None = None
    resolution: Resolution | None = None
    resolved_at: int | None = None
    party_ids: tuple[PartyId, ...] = ()

    @property
    def is_read_only(self) -> bool:
        """For everybody but Festimo."""
        return self.closed_at is not None

    @property
    def is_listed(self) -> bool:
        """Among its party's open conversations."""
        return self.status == "active" and self.deleted_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A participant's own, for one conversation. They concern lists and what we notify of, not Matrix clients."""

    muted: bool = False
    pinned: bool = False
    sound: bool = True
    notification_level: NotificationLevel = "all"


@dataclass(frozen=True, slots=True)
class Member:
    """A participant in a conversation, as what they take part in it, and what they may do with it.

    `away`: they are not there any more, or not while the conversation is blocked; `failure`: why they could not be
    brought in.
    """

    participant: Participant
    role: Role
    away: Away | None = None
    failure: str | None = None
    standing: Standing = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What describes a conversation in people's own words: kept sealed."""

    subject: str | None = None
    description: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, MetadataValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """`booking_ids` in the order of their ids."""

    booking_ids: tuple[BookingId, ...] = ()
    event_id: str | None = None
    lead_id: str | None = None
    service_type: str | None = None
