"""Events that open conversations."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from bridge.conversations.model import Conversation
from bridge.conversations.service import Conversations
from bridge.core.ids import ParticipantId, PartyId, TenantId
from bridge.participants.erasures import REASON, ErasureStore
from bridge.participants.input import Party, Person, Vendor
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.platform.errors import NoEffect
from bridge.platform.events.parties import PartyPlanCompleted, VendorSelected
from bridge.platform.newest import Newest, field
from bridge.storage.database import Transaction


class Openings:
    def __init__(self, conversations: Conversations, participants: ParticipantStore) -> None:
        self._conversations = conversations
        self._participants = participants
        self._erasures = ErasureStore()
        self._newest = Newest()

    async def apply(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        event: PartyPlanCompleted | VendorSelected,
        *,
        told_at: int,
    ) -> None:
        party, named = event.data.party, _named(event)
        hosts, vendors = await self.people(tx, tenant_id, party.hosts, named, told_at=told_at)
        for vendor in vendors:
            await self._open(tx, tenant_id, party, hosts, vendor, bring_back=True)

    async def open(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        party: Party,
        vendor: Vendor,
        *,
        told_at: int,
        bring_back: bool = True,
    ) -> Conversation:
        """The party's conversation with the vendor; other events than these open a missing one, too.

        `told_at`: when the platform named these people so, in epoch ms. Who asked to be erased is left out; raise
        `NoEffect` where nobody is left on one side.
        """
        hosts, (offers,) = await self.people(tx, tenant_id, party.hosts, [vendor], told_at=told_at)
        return await self._open(tx, tenant_id, party, hosts, offers, bring_back=bring_back)

    async def people(
        self, tx: Transaction, tenant_id: TenantId, *sides: Sequence[Person], told_at: int
    ) -> list[list[Participant]]:
        """As the event names them, or as they are known from what was said of them since; without those who asked to be
        erased. Raise `NoEffect` where nobody is left on one side."""
        there = [await self._there(tx, tenant_id, side) for side in sides]
        told = [field(one.participant_id, name) for side in there for one in side for name in _said_of(one)]
        newest = await self._newest.of(tx, tenant_id, told, told_at=told_at)
        return [[await self._as_known(tx, one, newest) for one in side] for side in there]

    async def _open(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        party: Party,
        hosts: Sequence[Participant],
        vendor: Participant,
        *,
        bring_back: bool,
    ) -> Conversation:
        return await self._conversations.open(
            tx,
            tenant_id=tenant_id,
            party_id=PartyId(party.id),
            party_title=party.title,
            hosts=hosts,
            vendor=vendor,
            bring_back=bring_back,
        )

    async def _there(
        self, tx: Transaction, tenant_id: TenantId, people: Sequence[Person]
    ) -> list[Participant]:
        ids = [ParticipantId(one.id) for one in people]
        erased = await self._erasures.among(tx, tenant_id, ids)
        there = [one.participant(tenant_id) for one in people if one.id not in erased]
        if not there:
            raise NoEffect(f"{', '.join(sorted(erased))} {REASON}")
        return there

    async def _as_known(self, tx: Transaction, told: Participant, newest: Collection[str]) -> Participant:
        """`newest`: of which fields nothing newer was said."""
        outdated = [name for name in _said_of(told) if field(told.participant_id, name) not in newest]
        if not outdated:
            return told
        known = await self._participants.get(tx, told.tenant_id, told.participant_id)
        if known is None:
            return told
        return replace(told, **{name: getattr(known, name) for name in outdated})


def _named(event: PartyPlanCompleted | VendorSelected) -> Sequence[Vendor]:
    return event.data.vendors if isinstance(event, PartyPlanCompleted) else (event.data.vendor,)


def _said_of(told: Participant) -> list[str]:
    """The fields of which something is said: what is left out here says nothing."""
    optional = [name for name in ("mxid", "avatar_url", "vendor_type") if getattr(told, name) is not None]
    return ["name", *optional]
