"""Events of vendors."""

from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.platform.events.envelope import Envelope
from bridge.platform.events.vendors import ReviewCreated, VendorStatusChanged, VendorUpdated
from bridge.platform.newest import Newest, person
from bridge.storage.database import Transaction
from bridge.vendors.model import Vendor
from bridge.vendors.service import Vendors
from bridge.vendors.store import VendorStore


class VendorEffects:
    def __init__(self, vendors: Vendors, store: VendorStore) -> None:
        self._vendors = vendors
        self._store = store
        self._newest = Newest()

    async def apply(
        self, tx: Transaction, tenant_id: TenantId, event: VendorUpdated | VendorStatusChanged | ReviewCreated
    ) -> None:
        match event:
            case VendorUpdated(data=profile):
                await self._tell(tx, tenant_id, person(ParticipantId(profile.vendor_id)), event)
                await self._vendors.change(
                    tx,
                    tenant_id,
                    VendorId(profile.vendor_id),
                    name=profile.business_name,
                    changed=profile.of,
                    told=profile.of_private,
                )
            case VendorStatusChanged(data=availability):
                vendor = await self._known(tx, tenant_id, availability.vendor_id)
                await self._tell(tx, tenant_id, f"availability/{vendor.vendor_id}", event)
                await self._vendors.set_status(tx, tenant_id, vendor.vendor_id, availability.declared())
            case ReviewCreated(data=review):
                vendor = await self._known(tx, tenant_id, review.vendor_id)
                subject = f"review/{review.vendor_id}/{review.host_id}/{review.party_id or ''}"
                await self._tell(tx, tenant_id, subject, event)
                await self._vendors.rate(
                    tx,
                    vendor,
                    host_id=ParticipantId(review.host_id),
                    party_id=None if review.party_id is None else PartyId(review.party_id),
                    stars=review.rating,
                    review=review.review,
                )

    async def _tell(self, tx: Transaction, tenant_id: TenantId, subject: str, event: Envelope) -> None:
        await self._newest.tell(tx, tenant_id, subject, told_at=event.told_at)

    async def _known(self, tx: Transaction, tenant_id: TenantId, vendor_id: str) -> Vendor:
        vendor = await self._store.get(tx, tenant_id, VendorId(vendor_id))
        if vendor is None:
            raise NotFound(
                f"There is no vendor {vendor_id}. Nothing was changed. Send vendor.updated with a business_name"
                " first, then replay this event.",
                field="vendor_id",
            )
        return vendor
