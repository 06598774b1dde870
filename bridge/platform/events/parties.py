"""What the platform tells of parties: which vendors they want to talk with."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from bridge.core.ids import TenantId
from bridge.participants.input import Party, Vendor
from bridge.platform.events.envelope import Known, party_lane
from bridge.web.fields import Data, refuse_empty, refuse_repeated

MOST_VENDORS = 50


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


class PartyPlanCompleted(Known):
    type: Literal["party.plan.completed"]
    data: PartyPlan

    def lane(self, tenant_id: TenantId) -> str:
        return party_lane(tenant_id, self.data.party.id)


class VendorSelected(Known):
    type: Literal["vendor.selected"]
    data: Selection

    def lane(self, tenant_id: TenantId) -> str:
        return party_lane(tenant_id, self.data.party.id)
