"""What a vendor's view shows that others know."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.core.ids import ParticipantId, TenantId, VendorId
from bridge.storage.database import Reader
from bridge.vendors.model import Presence


class Presences(Protocol):
    async def of_people(
        self, reader: Reader, tenant_id: TenantId, participant_ids: Sequence[ParticipantId]
    ) -> Mapping[ParticipantId, Presence]:
        """Of each of them."""
        ...


class Promptness(Protocol):
    async def averages(
        self, reader: Reader, tenant_id: TenantId, vendor_ids: Sequence[VendorId], *, since: int
    ) -> Mapping[VendorId, float]:
        """In how many ms they answer, by what they answered since then (epoch ms); of those who did."""
        ...
