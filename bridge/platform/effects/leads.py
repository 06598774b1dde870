"""Events of leads."""

from bridge.core.ids import TenantId
from bridge.leads.service import Leads
from bridge.platform.events.leads import LeadCreated
from bridge.storage.database import Transaction


class LeadEffects:
    def __init__(self, leads: Leads) -> None:
        self._leads = leads

    async def apply(self, tx: Transaction, tenant_id: TenantId, event: LeadCreated) -> None:
        await self._leads.open(tx, event.data.lead(tenant_id))
