"""Events of the platform: CloudEvents 1.0 and the data of our types; not how they come or what they do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
)

from bridge.core.ids import PartyId
from bridge.participants.input import Party, Vendor
from bridge.platform.fields import (
    Amount,
    Attribute,
    Currency,
    ExtensionName,
    ExtensionValue,
    JsonContentType,
    Uri,
    UriReference,
)
from bridge.web.fields import Data, Id, Text, Title, refuse_empty, refuse_repeated
from bridge.web.times import Timestamp

MOST_VENDORS = 50


class Total(Data):
    """An amount in the currency's minor unit: 12.50 EUR is 1250."""

    amount: Amount
    currency: Currency


class Booking(Data):
    id: Id
    service: Title
    starts_at: Timestamp
    ends_at: Timestamp | None = None
    total: Total | None = None

    @field_validator("ends_at")
    @classmethod
    def _ends_after_its_start(cls, ends_at: datetime | None, info: ValidationInfo) -> datetime | None:
        starts_at: datetime | None = info.data.get("starts_at")
        if ends_at is not None and starts_at is not None and ends_at < starts_at:
            raise ValueError("Must not be before `starts_at`")
        return ends_at


class PartyPlan(Data):
    party: Party
    vendors: Annotated[
        tuple[Vendor, ...],
        Field(max_length=MOST_VENDORS, json_schema_extra={"minItems": 1}),
        AfterValidator(refuse_empty),
    ]

    @field_validator("vendors")
    @classmethod
    def _vendors_differ(cls, vendors: tuple[Vendor, ...]) -> tuple[Vendor, ...]:
        refuse_repeated(vendor.id for vendor in vendors)
        return vendors


class Selection(Data):
    party: Party
    vendor: Vendor


class Confirmation(Data):
    booking: Booking
    party: Party
    vendor: Vendor


class NewMessage(Data):
    party_id: Id
    vendor_id: Id
    sender_id: Id
    text: Text


class Envelope(BaseModel):
    """The attributes of CloudEvents 1.0; any other at this level is an extension attribute."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="allow",
        hide_input_in_errors=True,
        json_schema_extra={"propertyNames": {"pattern": "^[a-z0-9]{1,64}$"}},
    )
    __pydantic_extra__: dict[ExtensionName, ExtensionValue] = Field(init=False)

    specversion: Literal["1.0"]
    id: Attribute
    source: UriReference
    type: Attribute
    time: Timestamp | None = None
    subject: Attribute | None = None
    dataschema: Uri | None = None


class PartyPlanCompleted(Envelope):
    type: Literal["party.plan.completed"]
    datacontenttype: JsonContentType | None = None
    data: PartyPlan

    @property
    def party_id(self) -> PartyId:
        return PartyId(self.data.party.id)


class VendorSelected(Envelope):
    type: Literal["vendor.selected"]
    datacontenttype: JsonContentType | None = None
    data: Selection

    @property
    def party_id(self) -> PartyId:
        return PartyId(self.data.party.id)


class BookingConfirmed(Envelope):
    type: Literal["booking.confirmed"]
    datacontenttype: JsonContentType | None = None
    data: Confirmation

    @property
    def party_id(self) -> PartyId:
        return PartyId(self.data.party.id)


class MessageSend(Envelope):
    type: Literal["message.send"]
    datacontenttype: JsonContentType | None = None
    data: NewMessage

    @property
    def party_id(self) -> PartyId:
        return PartyId(self.data.party_id)


MODEL_BY_TYPE: Mapping[str, type[PartyPlanCompleted | VendorSelected | BookingConfirmed | MessageSend]] = {
    "party.plan.completed": PartyPlanCompleted,
    "vendor.selected": VendorSelected,
    "booking.confirmed": BookingConfirmed,
    "message.send": MessageSend,
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


KnownEvent = PartyPlanCompleted | VendorSelected | BookingConfirmed | MessageSend
PlatformEvent = KnownEvent | Unknown
