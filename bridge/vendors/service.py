"""Change what is known of a vendor: by the platform, and by themselves. Asked again, nothing changes more."""

from collections.abc import Callable

from bridge.core.clock import Clock
from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.delivery.outbox import Outbox
from bridge.participants.erasures import ErasureStore
from bridge.participants.events import appearance_changed
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction
from bridge.vendors import rules
from bridge.vendors.events import VendorRated, VendorStatusChanged, VendorUpdated, place_of
from bridge.vendors.model import Declared, Private, Rating, Vendor
from bridge.vendors.rating_store import RatingStore
from bridge.vendors.store import VendorStore, ensure_vendor


class Vendors:
    def __init__(
        self,
        store: VendorStore,
        ratings: RatingStore,
        participants: ParticipantStore,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._store = store
        self._ratings = ratings
        self._participants = participants
        self._outbox = outbox
        self._clock = clock
        self._erasures = ErasureStore()

    async def change(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        vendor_id: VendorId,
        *,
        name: str | None,
        changed: Callable[[Vendor], Vendor],
        told: Callable[[Private], Private],
    ) -> bool:
        """`changed` and `told` give what is to be known of the vendor, of what is known. Return whether they are new.

        `name`: of one who is new.
        """
        made = await self._ensure(tx, tenant_id, vendor_id, name=name)
        before = await self._locked(tx, tenant_id, vendor_id)
        after, private = changed(before), await self._store.private(tx, tenant_id, vendor_id)
        private_after = told(private)
        if (after, private_after) == (before, private) and not made:
            return False
        if _appearance(after) != _appearance(before) or after.vendor_type != before.vendor_type:
            await self._participants.set_appearance(tx, _participant(after))
        if _appearance(after) != _appearance(before):
            await self._outbox.record(tx, appearance_changed(tenant_id, ParticipantId(vendor_id)))
        await self._store.set_profile(tx, after)
        if private_after != private:
            await self._store.set_private(tx, tenant_id, vendor_id, private_after)
        updated = VendorUpdated(
            tenant_id=tenant_id, conversation_id=place_of(tenant_id, vendor_id), vendor_id=vendor_id
        )
        await self._outbox.record(tx, updated)
        return made

    async def set_status(
        self, tx: Transaction, tenant_id: TenantId, vendor_id: VendorId, declared: Declared | None
    ) -> None:
        """None: as their presence is."""
        before = await self._locked(tx, tenant_id, vendor_id)
        if before.declared == declared:
            return
        await self._store.set_status(tx, tenant_id, vendor_id, declared)
        changed = VendorStatusChanged(
            tenant_id=tenant_id,
            conversation_id=place_of(tenant_id, vendor_id),
            vendor_id=vendor_id,
            status=None if declared is None else declared.status,
            until=None if declared is None else declared.until,
        )
        await self._outbox.record(tx, changed)

    async def rate(
        self,
        tx: Transaction,
        vendor: Vendor,
        *,
        host_id: ParticipantId,
        party_id: PartyId | None,
        stars: int,
        review: str | None,
    ) -> tuple[Rating, bool]:
        """Of one party a host has one opinion: the latest. Return it, and whether it is their first of that party."""
        tenant_id, vendor_id = vendor.tenant_id, vendor.vendor_id
        await self._store.lock(tx, tenant_id, vendor_id)
        met = await self._ratings.parties(tx, tenant_id, vendor_id, host_id)
        party = rules.party_of(met, party_id)
        before = await self._ratings.find(tx, tenant_id, vendor_id, host_id=host_id, party_id=party)
        if before is not None and (before.stars, before.review) == (stars, review):
            return before, False
        await self._ratings.put(
            tx, tenant_id, vendor_id, host_id=host_id, party_id=party, stars=stars, review=review
        )
        rated = VendorRated(
            tenant_id=tenant_id, conversation_id=place_of(tenant_id, vendor_id), vendor_id=vendor_id
        )
        await self._outbox.record(tx, rated)
        after = await self._ratings.find(tx, tenant_id, vendor_id, host_id=host_id, party_id=party)
        assert after is not None
        return after, before is None

    async def _ensure(
        self, tx: Transaction, tenant_id: TenantId, vendor_id: VendorId, *, name: str | None
    ) -> bool:
        if await self._store.get(tx, tenant_id, vendor_id) is not None:
            return False
        if name is None:
            raise NotFound(
                "There is no vendor with this id. Nothing was changed. Check it; or give `business_name`, to make one.",
                field="vendor_id",
            )
        person = ParticipantId(vendor_id)
        if await self._participants.get(tx, tenant_id, person) is None:
            new = Participant(
                tenant_id=tenant_id, participant_id=person, name=name, mxid=None, avatar_url=None
            )
            await self._participants.put(tx, new)
        return await ensure_vendor(tx, tenant_id, person, now=self._clock.now())

    async def _locked(self, tx: Transaction, tenant_id: TenantId, vendor_id: VendorId) -> Vendor:
        await self._store.lock(tx, tenant_id, vendor_id)
        await self._erasures.check(tx, tenant_id, ParticipantId(vendor_id))
        found = await self._store.get(tx, tenant_id, vendor_id)
        assert found is not None, "vendors are not removed"
        return found


def _appearance(vendor: Vendor) -> tuple[str, str | None]:
    """What Matrix shows, too."""
    return vendor.business_name, vendor.avatar_url


def _participant(vendor: Vendor) -> Participant:
    return Participant(
        tenant_id=vendor.tenant_id,
        participant_id=ParticipantId(vendor.vendor_id),
        name=vendor.business_name,
        mxid=None,
        avatar_url=vendor.avatar_url,
        vendor_type=vendor.vendor_type,
    )
