"""Events that open conversations."""

from collections.abc import Sequence
from typing import TypeVar

from bridge.conversations.model import Conversation
from bridge.conversations.service import Conversations
from bridge.core.ids import ParticipantId, PartyId, TenantId
from bridge.participants.erasures import REASON, ErasureStore
from bridge.participants.input import Party, Person, Vendor
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.platform.errors import NoEffect
from bridge.platform.events.parties import PartyPlanCompleted, VendorSelected
from bridge.platform.newest import Newest, person
from bridge.storage.database import Transaction

P = TypeVar("P", bound=Person)


class Openings:
    def __init__(self, conversations: Conversations, participants: ParticipantStore) -> None:
        self._conversations = conversations
        self._participants = participants
        self._erasures = ErasureStore()
        self._newest = Newest()

    async def apply(
        self, tx: Transaction, tenant_id: TenantId, event: PartyPlanCompleted | VendorSelected
    ) -> None:
        match event:
            case PartyPlanCompleted(data=plan):
                for vendor in await self._there(tx, tenant_id, plan.vendors):
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

        `told_at`: when the platform named these people so, in epoch ms. Who asked to be erased is left out; raise
        `NoEffect` where nobody is left on one side.
        """
        hosts = await self.people(tx, tenant_id, party.hosts, told_at=told_at)
        (offers,) = await self.people(tx, tenant_id, [vendor], told_at=told_at)
        return await self._conversations.open(
            tx,
            tenant_id=tenant_id,
            party_id=PartyId(party.id),
            party_title=party.title,
            hosts=hosts,
            vendor=offers,
            bring_back=bring_back,
        )

    async def people(
        self, tx: Transaction, tenant_id: TenantId, told: Sequence[Person], *, told_at: int | None
    ) -> list[Participant]:
        """As the event names them, or as they are known from what was said of them since; without those who asked to be
        erased. Raise `NoEffect` where nobody is left."""
        there = await self._there(tx, tenant_id, told)
        return [await self._as_known(tx, one.participant(tenant_id), told_at=told_at) for one in there]

    async def _there(self, tx: Transaction, tenant_id: TenantId, people: Sequence[P]) -> list[P]:
        ids = [ParticipantId(one.id) for one in people]
        erased = await self._erasures.among(tx, tenant_id, ids)
        there = [one for one in people if one.id not in erased]
        if not there:
            raise NoEffect(f"{', '.join(sorted(erased))} {REASON}")
        return there

    async def _as_known(self, tx: Transaction, told: Participant, *, told_at: int | None) -> Participant:
        subject = person(told.participant_id)
        if await self._newest.is_outdated(tx, told.tenant_id, subject, told_at=told_at):
            return await self._participants.get(tx, told.tenant_id, told.participant_id) or told
        return told
