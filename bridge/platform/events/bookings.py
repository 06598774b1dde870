"""What the platform tells of bookings."""

from datetime import datetime
from typing import Literal

from pydantic import ValidationInfo, field_validator

from bridge.core.ids import TenantId
from bridge.participants.input import Party, Vendor
from bridge.platform.events.envelope import Known, party_lane
from bridge.platform.fields import Amount, Currency
from bridge.web.fields import Data, Id, Title
from bridge.web.times import Timestamp


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


class Confirmation(Data):
    booking: Booking
    party: Party
    vendor: Vendor


class BookingConfirmed(Known):
    type: Literal["booking.confirmed"]
    data: Confirmation

    def lane(self, tenant_id: TenantId) -> str:
        return party_lane(tenant_id, self.data.party.id)
