"""What the platform tells of bookings."""

from datetime import datetime
from typing import Literal

from pydantic import ValidationInfo, field_validator

from bridge.core.ids import TenantId
from bridge.participants.input import Party, Vendor
from bridge.platform.events.envelope import Known, party_lane
from bridge.platform.fields import Amount, Currency
from bridge.web.fields import Data, Id, Title
from bridge.web.times import Timestamp, TimeZone


class Total(Data):
    """An amount in the currency's minor unit: 12.50 EUR is 1250."""

    amount: Amount
    currency: Currency


class Booking(Data):
    id: Id
    service: Title
    starts_at: Timestamp
    ends_at: Timestamp | None = None
    time_zone: TimeZone | None = None
    total: Total | None = None

    @field_validator("ends_at")
    @classmethod
    def _ends_after_its_start(cls, ends_at: datetime | None, info: ValidationInfo) -> datetime | None:
        starts_at: datetime | None = info.data.get("starts_at")
        if ends_at is not None and starts_at is not None and ends_at < starts_at:
            raise ValueError("Must not be before `starts_at`")
        return ends_at


class BookingTold(Data):
    booking: Booking
    party: Party
    vendor: Vendor


class _OfBooking(Known):
    data: BookingTold

    def lane(self, tenant_id: TenantId) -> str:
        return party_lane(tenant_id, self.data.party.id)


class BookingRequested(_OfBooking):
    type: Literal["booking.requested"]


class BookingConfirmed(_OfBooking):
    type: Literal["booking.confirmed"]


class BookingChanged(_OfBooking):
    type: Literal["booking.changed"]


class BookingCancelled(_OfBooking):
    type: Literal["booking.cancelled"]


class BookingCompleted(_OfBooking):
    type: Literal["booking.completed"]


BookingEvent = BookingRequested | BookingConfirmed | BookingChanged | BookingCancelled | BookingCompleted


class Payment(Data):
    """`amount`: in the currency's minor unit."""

    id: Id
    amount: Amount
    currency: Currency


class PaymentTold(Data):
    party_id: Id
    booking_id: Id
    payment: Payment


class PaymentReceived(Known):
    type: Literal["payment.received"]
    data: PaymentTold

    def lane(self, tenant_id: TenantId) -> str:
        return party_lane(tenant_id, self.data.party_id)
