"""Which events are applied one after the other: those of one conversation, in the order they came."""

from bridge.conversations.model import Scope
from bridge.core.ids import TenantId
from bridge.platform.events import KnownEvent, PlatformEvent
from bridge.platform.events.people import UserDeleted, UserUpdated
from bridge.platform.events.vendors import VendorStatusChanged, VendorUpdated

_OF_ONE_PERSON = (UserDeleted, UserUpdated, VendorStatusChanged, VendorUpdated)


def lane_of(event: PlatformEvent, tenant_id: TenantId, *, scope: Scope) -> str:
    """`scope`: what there is one conversation for.

    Where it is host and vendor, a conversation belongs to several parties, and of some events only the party is known
    when they come: so all of a tenant's conversations share a lane.
    """
    if scope == "host_vendor" and isinstance(event, KnownEvent) and not isinstance(event, _OF_ONE_PERSON):
        return f"conversations:{tenant_id}"
    return event.lane(tenant_id)
