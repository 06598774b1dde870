"""What the platform tells of vendors: their profile, whether they are there, what hosts think of them."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from bridge.core.ids import TenantId
from bridge.platform.events.envelope import Known, party_lane, person_lane
from bridge.vendors.input import StatusToSet, VendorChange
from bridge.web.fields import Data, Id, Text, whole


class Profile(VendorChange):
    """What is left out stays; null takes it away."""

    vendor_id: Id


class Availability(StatusToSet):
    vendor_id: Id


class Review(Data):
    vendor_id: Id
    host_id: Id
    party_id: Annotated[
        Id | None, Field(description="may be left out where there is only one for which they met")
    ] = None
    rating: Annotated[int, Field(ge=1, le=5), BeforeValidator(whole)]
    review: Text | None = None


class VendorUpdated(Known):
    type: Literal["vendor.updated"]
    data: Profile

    def needs(self) -> Sequence[str]:
        return (self.data.vendor_id,)

    def lane(self, tenant_id: TenantId) -> str:
        return person_lane(tenant_id, self.data.vendor_id)


class VendorStatusChanged(Known):
    type: Literal["vendor.status_changed"]
    data: Availability

    def needs(self) -> Sequence[str]:
        return (self.data.vendor_id,)

    def lane(self, tenant_id: TenantId) -> str:
        return person_lane(tenant_id, self.data.vendor_id)


class ReviewCreated(Known):
    type: Literal["review.created"]
    data: Review

    def needs(self) -> Sequence[str]:
        return (self.data.vendor_id, self.data.host_id)

    def lane(self, tenant_id: TenantId) -> str:
        review = self.data
        if review.party_id is None:
            return person_lane(tenant_id, review.vendor_id)
        return party_lane(tenant_id, review.party_id)
