"""Events of leads."""

from dataclasses import replace

from bridge.core.ids import TenantId
from bridge.leads.service import Leads
from bridge.platform.effects.openings import Openings
from bridge.platform.events.leads import LeadCreated
from bridge.storage.database import Transaction


class LeadEffects:
    def __init__(self, openings: Openings, leads: Leads) -> None:
        self._openings = openings
        self._leads = leads

    async def apply(self, tx: Transaction, tenant_id: TenantId, event: LeadCreated, *, told_at: int) -> None:
        told = event.data
        hosts, (vendor,) = await self._openings.people(
            tx, tenant_id, told.people, [told.vendor], told_at=told_at
        )
        await self._leads.open(tx, replace(told.lead(tenant_id), hosts=tuple(hosts), vendor=vendor))
