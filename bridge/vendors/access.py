"""Who finds which vendor, and how much of them. What one may not see looks as if it were not there."""

from collections.abc import Mapping, Sequence

from bridge.core.caller import Caller
from bridge.core.errors import NotFound
from bridge.core.ids import VendorId
from bridge.storage.database import Reader
from bridge.vendors.model import Acquaintance, Insight, Vendor
from bridge.vendors.rules import insight
from bridge.vendors.store import VendorStore


class VendorAccess:
    """Programs and staff see all vendors of their tenant, a vendor themself, people those they talk with."""

    def __init__(self, store: VendorStore) -> None:
        self._store = store

    async def to(self, reader: Reader, caller: Caller, vendor_id: VendorId) -> tuple[Vendor, Insight]:
        """The vendor, if the caller may see them, and how much; else raise `NotFound`."""
        vendor = await self._store.get(reader, caller.tenant_id, vendor_id)
        if vendor is not None:
            seen = (await self.insights(reader, caller, [vendor])).get(vendor_id)
            if seen is not None:
                return vendor, seen
        raise _not_found()

    async def as_own(self, reader: Reader, caller: Caller, vendor_id: VendorId) -> Vendor:
        """The vendor, if the caller may see all of them: for what is nobody else's business. Else raise `NotFound`."""
        vendor, seen = await self.to(reader, caller, vendor_id)
        if seen != "all":
            raise _not_found()
        return vendor

    async def insights(
        self, reader: Reader, caller: Caller, vendors: Sequence[Vendor]
    ) -> Mapping[VendorId, Insight]:
        """Of those whom the caller may see."""
        ids = [vendor.vendor_id for vendor in vendors]
        known: Mapping[VendorId, Acquaintance] = {}
        if caller.is_person and caller.participant_id is not None:
            known = await self._store.acquaintances(reader, caller.tenant_id, caller.participant_id, ids)
        found = {one: insight(caller, one, known.get(one)) for one in ids}
        return {one: seen for one, seen in found.items() if seen is not None}


def _not_found() -> NotFound:
    return NotFound("There is no vendor with this id.", field="vendor_id")
