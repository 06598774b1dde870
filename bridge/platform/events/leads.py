"""What the platform tells of leads."""

from collections.abc import Sequence
from typing import Literal

from bridge.core.ids import TenantId
from bridge.leads.input import LeadToOpen
from bridge.platform.events.envelope import Known, party_lane


class LeadCreated(Known):
    type: Literal["lead.created"]
    data: LeadToOpen

    def needs(self) -> Sequence[str]:
        return (self.data.host.id, self.data.vendor.id)

    def lane(self, tenant_id: TenantId) -> str:
        lead = self.data
        if lead.party is None:
            return f"pair:{tenant_id}:{lead.host.id}/{lead.vendor.id}"
        return party_lane(tenant_id, lead.party.id)
