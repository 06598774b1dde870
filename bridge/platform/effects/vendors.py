"""Events of vendors."""

from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.platform.events.vendors import (
    Availability,
    Profile,
    Review,
    ReviewCreated,
    VendorStatusChanged,
    VendorUpdated,
)
from bridge.platform.newest import Newest, field, outdated
from bridge.platform.strangers import StillUnknown
from bridge.storage.database import Transaction
from bridge.vendors.errors import NeverMet
from bridge.vendors.input import VendorChange
from bridge.vendors.model import Vendor
from bridge.vendors.service import Vendors
from bridge.vendors.store import VendorStore

_FIELDS = {"business_name": "name"}
"""What of a vendor is said of them as a person, too."""


class VendorEffects:
    def __init__(self, vendors: Vendors, store: VendorStore) -> None:
        self._vendors = vendors
        self._store = store
        self._newest = Newest()

    async def apply(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        event: VendorUpdated | VendorStatusChanged | ReviewCreated,
        *,
        told_at: int,
    ) -> None:
        match event:
            case VendorUpdated(data=profile):
                await self._change(tx, tenant_id, profile, told_at=told_at)
            case VendorStatusChanged(data=availability):
                await self._set_status(tx, tenant_id, availability, told_at=told_at)
            case ReviewCreated(data=review):
                await self._rate(tx, tenant_id, review, told_at=told_at)

    async def _change(self, tx: Transaction, tenant_id: TenantId, profile: Profile, *, told_at: int) -> None:
        vendor_id, who = VendorId(profile.vendor_id), ParticipantId(profile.vendor_id)
        known = await self._store.get(tx, tenant_id, vendor_id)
        if known is None and profile.business_name is None:
            raise _nobody(who)
        subjects = {name: field(who, _FIELDS.get(name, name)) for name in _said_of(profile)}
        newest = await self._newest.of(tx, tenant_id, subjects.values(), told_at=told_at)
        left = {name for name, subject in subjects.items() if subject in newest}
        if known is not None and subjects and not left:
            raise outdated()
        change = VendorChange.model_construct(left, **{name: getattr(profile, name) for name in left})
        await self._vendors.change(
            tx,
            tenant_id,
            vendor_id,
            name=profile.business_name,
            changed=change.of,
            told=change.of_private,
        )

    async def _set_status(
        self, tx: Transaction, tenant_id: TenantId, availability: Availability, *, told_at: int
    ) -> None:
        vendor = await self._known(tx, tenant_id, availability.vendor_id)
        await self._newest.tell(tx, tenant_id, f"availability/{vendor.vendor_id}", told_at=told_at)
        await self._vendors.set_status(tx, tenant_id, vendor.vendor_id, availability.declared())

    async def _rate(self, tx: Transaction, tenant_id: TenantId, review: Review, *, told_at: int) -> None:
        vendor = await self._known(tx, tenant_id, review.vendor_id)
        host_id = ParticipantId(review.host_id)
        try:
            await self._vendors.rate(
                tx,
                vendor,
                host_id=host_id,
                party_id=None if review.party_id is None else PartyId(review.party_id),
                stars=review.rating,
                review=review.review,
            )
        except NeverMet as refusal:
            raise StillUnknown(ParticipantId(vendor.vendor_id), end=refusal) from None
        # Behind it: what is outdated takes its effect back with it.
        subject = f"review/{review.vendor_id}/{host_id}/{review.party_id or ''}"
        await self._newest.tell(tx, tenant_id, subject, told_at=told_at)

    async def _known(self, tx: Transaction, tenant_id: TenantId, vendor_id: str) -> Vendor:
        vendor = await self._store.get(tx, tenant_id, VendorId(vendor_id))
        if vendor is None:
            raise _nobody(ParticipantId(vendor_id))
        return vendor


def _said_of(profile: Profile) -> set[str]:
    """The fields of which it says something. No business name is none."""
    unsaid = {"vendor_id"} if profile.business_name is not None else {"vendor_id", "business_name"}
    return profile.model_fields_set - unsaid


def _nobody(vendor_id: ParticipantId) -> StillUnknown:
    return StillUnknown(
        vendor_id,
        end=NotFound(
            f"There is no vendor {vendor_id}. Nothing was changed. Send vendor.updated with a business_name first, then"
            " replay this event.",
            field="vendor_id",
        ),
    )
