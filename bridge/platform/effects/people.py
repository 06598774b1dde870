"""Events of people."""

from dataclasses import replace

from bridge.conversations.accounts import Accounts
from bridge.core.ids import ParticipantId, TenantId, VendorId
from bridge.participants.model import Participant
from bridge.participants.service import People
from bridge.participants.store import ParticipantStore
from bridge.platform.errors import NoEffect
from bridge.platform.events.people import UserChange, UserDeleted, UserUpdated
from bridge.platform.newest import Newest, field, outdated
from bridge.platform.strangers import StillUnknown
from bridge.privacy.service import Erasures
from bridge.storage.database import Transaction
from bridge.vendors.model import Private, Vendor
from bridge.vendors.service import Vendors
from bridge.vendors.store import VendorStore


class PeopleEffects:
    def __init__(
        self,
        participants: ParticipantStore,
        people: People,
        accounts: Accounts,
        vendors: Vendors,
        vendor_store: VendorStore,
        erasures: Erasures,
    ) -> None:
        self._participants = participants
        self._people = people
        self._accounts = accounts
        self._vendors = vendors
        self._vendor_store = vendor_store
        self._erasures = erasures
        self._newest = Newest()

    async def apply(
        self, tx: Transaction, tenant_id: TenantId, event: UserUpdated | UserDeleted, *, told_at: int
    ) -> None:
        match event:
            case UserUpdated(data=change):
                await self._change(tx, tenant_id, change, told_at=told_at)
            case UserDeleted(data=deleted):
                await self._erasures.begin(tx, tenant_id, ParticipantId(deleted.user_id))

    async def _change(
        self, tx: Transaction, tenant_id: TenantId, change: UserChange, *, told_at: int
    ) -> None:
        participant_id = ParticipantId(change.user_id)
        if await self._participants.get(tx, tenant_id, participant_id) is None:
            raise StillUnknown(participant_id, end=NoEffect(f"{participant_id} takes part in nothing"))
        change = await self._newest_of(tx, tenant_id, change, told_at=told_at)
        await self._appearance(tx, tenant_id, participant_id, change)
        if "mxid" not in change.model_fields_set:
            return
        if change.mxid is None:
            await self._accounts.unlink(tx, tenant_id, participant_id)
        else:
            await self._accounts.link(tx, tenant_id, participant_id, change.mxid)

    async def _newest_of(
        self, tx: Transaction, tenant_id: TenantId, change: UserChange, *, told_at: int
    ) -> UserChange:
        """What of it nothing newer was said of. Raise `NoEffect` where that is nothing."""
        who = ParticipantId(change.user_id)
        said = change.model_fields_set - {"user_id"} - ({"name"} if change.name is None else set())
        newest = await self._newest.of(tx, tenant_id, [field(who, name) for name in said], told_at=told_at)
        left = {name for name in said if field(who, name) in newest}
        if said and not left:
            raise outdated()
        return UserChange(user_id=change.user_id, **{name: getattr(change, name) for name in left})

    async def _appearance(
        self, tx: Transaction, tenant_id: TenantId, participant_id: ParticipantId, change: UserChange
    ) -> None:
        vendor_id = VendorId(participant_id)
        if await self._vendor_store.get(tx, tenant_id, vendor_id) is None:
            await self._people.change(tx, tenant_id, participant_id, lambda one: _changed(one, change))
        else:
            await self._vendors.change(
                tx,
                tenant_id,
                vendor_id,
                name=None,
                changed=lambda one: _changed_vendor(one, change),
                told=_as_it_is,
            )


def _changed(known: Participant, change: UserChange) -> Participant:
    avatar_url = change.avatar_url if "avatar_url" in change.model_fields_set else known.avatar_url
    return replace(known, name=change.name or known.name, avatar_url=avatar_url)


def _changed_vendor(known: Vendor, change: UserChange) -> Vendor:
    avatar_url = change.avatar_url if "avatar_url" in change.model_fields_set else known.avatar_url
    return replace(known, business_name=change.name or known.business_name, avatar_url=avatar_url)


def _as_it_is(private: Private) -> Private:
    return private
