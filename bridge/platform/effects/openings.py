"""Events that open conversations."""

from bridge.conversations.model import Conversation
from bridge.conversations.service import Conversations
from bridge.core.ids import PartyId, TenantId
from bridge.participants.input import Party, Vendor
from bridge.platform.events.parties import PartyPlanCompleted, VendorSelected
from bridge.storage.database import Transaction


class Openings:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def apply(
        self, tx: Transaction, tenant_id: TenantId, event: PartyPlanCompleted | VendorSelected
    ) -> None:
        match event:
            case PartyPlanCompleted(data=plan):
                for vendor in plan.vendors:
                    await self.open(tx, tenant_id, plan.party, vendor)
            case VendorSelected(data=selection):
                await self.open(tx, tenant_id, selection.party, selection.vendor)

    async def open(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        party: Party,
        vendor: Vendor,
        *,
        bring_back: bool = True,
    ) -> Conversation:
        """The party's conversation with the vendor; other events than these open a missing one, too."""
        return await self._conversations.open(
            tx,
            tenant_id=tenant_id,
            party_id=PartyId(party.id),
            party_title=party.title,
            hosts=[host.participant(tenant_id) for host in party.hosts],
            vendor=vendor.participant(tenant_id),
            bring_back=bring_back,
        )
