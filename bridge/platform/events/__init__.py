"""Events of the platform: CloudEvents 1.0 and the data of our types; not how they come or what they do."""

from collections.abc import Mapping

from pydantic import ConfigDict, JsonValue

from bridge.core.ids import TenantId
from bridge.platform.events.bookings import (
    BookingCancelled,
    BookingChanged,
    BookingCompleted,
    BookingConfirmed,
    BookingEvent,
    BookingRequested,
    PaymentReceived,
)
from bridge.platform.events.envelope import Envelope
from bridge.platform.events.leads import LeadCreated
from bridge.platform.events.messages import MessageSend
from bridge.platform.events.parties import PartyPlanCompleted, VendorSelected
from bridge.platform.events.people import UserDeleted, UserUpdated
from bridge.platform.events.vendors import ReviewCreated, VendorStatusChanged, VendorUpdated
from bridge.platform.fields import Attribute

KnownEvent = (
    PartyPlanCompleted
    | VendorSelected
    | BookingEvent
    | PaymentReceived
    | MessageSend
    | LeadCreated
    | ReviewCreated
    | VendorStatusChanged
    | VendorUpdated
    | UserUpdated
    | UserDeleted
)
MODEL_BY_TYPE: Mapping[str, type[KnownEvent]] = {
    "party.plan.completed": PartyPlanCompleted,
    "vendor.selected": VendorSelected,
    "booking.requested": BookingRequested,
    "booking.confirmed": BookingConfirmed,
    "booking.changed": BookingChanged,
    "booking.cancelled": BookingCancelled,
    "booking.completed": BookingCompleted,
    "payment.received": PaymentReceived,
    "message.send": MessageSend,
    "lead.created": LeadCreated,
    "review.created": ReviewCreated,
    "vendor.status_changed": VendorStatusChanged,
    "vendor.updated": VendorUpdated,
    "user.updated": UserUpdated,
    "user.deleted": UserDeleted,
}


class Unknown(Envelope):
    """An event of a type that this version does not apply: kept as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "propertyNames": {"pattern": "^(?:[a-z0-9]{1,64}|data_base64)$"},
            "not": {"properties": {"type": {"enum": [*MODEL_BY_TYPE]}}},
        }
    )

    datacontenttype: Attribute | None = None
    data: JsonValue = None
    data_base64: str | None = None

    def lane(self, tenant_id: TenantId) -> str:
        return f"platform:{tenant_id}:unknown"


PlatformEvent = KnownEvent | Unknown
