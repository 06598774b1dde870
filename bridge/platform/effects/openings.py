"""Events that open conversations."""

from bridge.conversations.model import Conversation
from bridge.conversations.service import Conversations
from bridge.core.ids import PartyId, TenantId
from bridge.participants.input import Party, Vendor
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.platform.events.parties import PartyPlanCompleted, VendorSelected
from bridge.platform.newest import Newest, person
from bridge.storage.database import Transaction


class Openings:
    def __init__(self, conversations: Conversations, participants: ParticipantStore) -> None:
        self._conversations = conversations
        self._participants = participants
        self._newest = Newest()

    async def apply(
        self, tx: Transaction, tenant_id: TenantId, event: PartyPlanCompleted | VendorSelected
    ) -> None:
        match event:
            case PartyPlanCompleted(data=plan):
                for vendor in plan.vendors:
                    await self.open(tx, tenant_id, plan.party, vendor, told_at=event.told_at)
            case VendorSelected(data=selection):
                await self.open(tx, tenant_id, selection.party, selection.vendor, told_at=event.told_at)

    async def open(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        party: Party,
        vendor: Vendor,
        *,
        told_at: int | None,
        bring_back: bool = True,
    ) -> Conversation:
        """The party's conversation with the vendor; other events than these open a missing one, too.

        `told_at`: when the platform named these people so, in epoch ms.
        """
        return await self._conversations.open(
            tx,
            tenant_id=tenant_id,
            party_id=PartyId(party.id),
            party_title=party.title,
            hosts=[
                await self._as_known(tx, host.participant(tenant_id), told_at=told_at) for host in party.hosts
            ],
            vendor=await self._as_known(tx, vendor.participant(tenant_id), told_at=told_at),
            bring_back=bring_back,
        )

    async def _as_known(self, tx: Transaction, told: Participant, *, told_at: int | None) -> Participant:
        """As the event names them, or as they are known from what was said of them since."""
        subject = person(told.participant_id)
        if await self._newest.is_outdated(tx, told.tenant_id, subject, told_at=told_at):
            return await self._participants.get(tx, told.tenant_id, told.participant_id) or told
        return told
