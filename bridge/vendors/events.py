"""What happened to a vendor: in no conversation, so each vendor has a place of their own, and order in it."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import ConversationId, TenantId, VendorId
from bridge.vendors.model import Status


def place_of(tenant_id: TenantId, vendor_id: VendorId) -> ConversationId:
    """Instead of a conversation's id; no id holds a slash."""
    return ConversationId(f"vendor/{tenant_id}/{vendor_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorEvent(Event):
    vendor_id: VendorId


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorUpdated(VendorEvent):
    """The profile is another one: read it for what it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorStatusChanged(VendorEvent):
    """`status` None: nothing is said any more, they are shown as their presence is. `until`: in epoch ms."""

    status: Status | None
    until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRated(VendorEvent):
    """By somebody for the first time, or otherwise than before."""
