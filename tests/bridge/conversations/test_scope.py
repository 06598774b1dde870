"""One conversation per host and vendor, for all parties of the host: on both databases."""

import asyncio

import pytest

from bridge.conversations.listing import Filter, newest
from bridge.conversations.model import Conversation, Scope
from bridge.conversations.service import Conversations
from bridge.core.ids import PartyId, TenantId, VendorId
from bridge.participants.model import Participant
from tests.bridge.conversations.features import TENANT, Features, person

ANNA, BEN, CLEO = person("anna", "Anna"), person("ben", "Ben"), person("cleo", "Cleo")
CHEF = person("chef", "Sweet Bites")


class Scoped:
    """The same database, looked at with the switch in one position or the other."""

    def __init__(self, features: Features, scope: Scope) -> None:
        self._features = features
        self._conversations = Conversations(
            features.conversation_store, features.participants, features.outbox, features.clock, scope=scope
        )

    async def open(
        self,
        party: str | None,
        *hosts: Participant,
        vendor: Participant | None = CHEF,
        tenant: TenantId = TENANT,
    ) -> Conversation:
        async with self._features.database.transaction() as tx:
            return await self._conversations.open(
                tx,
                tenant_id=tenant,
                party_id=None if party is None else PartyId(party),
                party_title=f"Party {party}",
                hosts=hosts or (ANNA,),
                vendor=vendor,
            )


@pytest.fixture
def per_host(features: Features) -> Scoped:
    return Scoped(features, "host_vendor")


async def listed(features: Features, party: str) -> set[str]:
    wanted = Filter(party_id=PartyId(party))
    found = await newest(features.database, TENANT, wanted, before=None, limit=9)
    in_list = await features.conversation_store.of_party(features.database, TENANT, PartyId(party))
    ids = {one.conversation.conversation_id for one in found}
    assert ids == {one.conversation_id for one in in_list}
    return {*ids}


async def test_the_parties_of_a_host_share_one_with_each_vendor(features: Features, per_host: Scoped) -> None:
    first = await per_host.open("p1")
    assert (first.title, first.party_id, first.party_ids) == ("Anna x Sweet Bites", "p1", ("p1",))
    before = len(await features.told())
    second = await per_host.open("p2", ANNA, BEN)
    assert (second.conversation_id, second.party_ids) == (first.conversation_id, ("p1", "p2"))
    told = [(name, fields.get("party_id")) for name, fields in (await features.told())[before:]]
    assert told == [
        ("ParticipantAdded", None),  # Ben
        ("ConversationChanged", None),
        ("PartyListChanged", "p1"),
        ("PartyListChanged", "p2"),
    ]
    florist = await per_host.open("p1", vendor=person("florist", "Petals"))
    cleos = await per_host.open("p3", CLEO)
    other = TenantId("other")
    elsewhere = await per_host.open(
        "p1", person("anna", "Anna", tenant=other), tenant=other, vendor=person("chef", "Chef", tenant=other)
    )
    assert len({one.conversation_id for one in (first, florist, cleos, elsewhere)}) == 4
    assert await listed(features, "p1") == {florist.conversation_id, first.conversation_id}
    assert await listed(features, "p2") == {first.conversation_id}
    everything = await features.everything()
    await per_host.open("p2", ANNA, BEN)
    assert await features.everything() == everything


async def test_a_partys_own_stays_its_own_and_an_inquiry_is_the_hosts(
    features: Features, per_host: Scoped
) -> None:
    own = [await per_host.open(party, vendor=None) for party in ("p1", "p2")]
    assert [one.title for one in own] == ["Party p1", "Party p2"]
    assert own[0].conversation_id != own[1].conversation_id
    inquiry = await per_host.open(None)
    assert inquiry.party_ids == ()
    grown = await per_host.open("p1")
    assert (grown.conversation_id, grown.party_ids) == (inquiry.conversation_id, ("p1",))
    stored = await features.conversation_store.get(features.database, inquiry.conversation_id)
    assert stored == grown


async def test_of_many_who_open_at_once_for_several_parties_all_get_one(
    features: Features, per_host: Scoped
) -> None:
    parties = [f"p{number % 4}" for number in range(8)]
    opened = await asyncio.gather(*(per_host.open(party) for party in parties))
    (conversation_id,) = {one.conversation_id for one in opened}
    stored = await features.conversation_store.get(features.database, conversation_id)
    assert stored is not None
    assert sorted(stored.party_ids) == ["p0", "p1", "p2", "p3"]
    names = [name for name, _ in await features.told()]
    assert names.count("ConversationOpened") == 1
    assert names.count("ParticipantAdded") == 2


@pytest.mark.parametrize(
    ("before", "after"), [("party_vendor", "host_vendor"), ("host_vendor", "party_vendor")]
)
async def test_whoever_has_one_keeps_it_when_the_switch_is_turned(
    features: Features, before: Scope, after: Scope
) -> None:
    first = await Scoped(features, before).open("p1")
    again = await Scoped(features, after).open("p1")
    assert again == first
    found = await features.conversation_store.of_pair(
        features.database, TENANT, PartyId("p1"), VendorId("chef")
    )
    assert found == first
    assert (await Scoped(features, after).open("p2")).conversation_id != first.conversation_id
