"""What is done with conversations, on both databases: what is stored, and what is told of it."""

import asyncio
from dataclasses import replace

import pytest

from bridge.conversations.additions import Addition
from bridge.conversations.errors import NotAGroup, NotAllowed
from bridge.conversations.listing import Filter, newest
from bridge.conversations.model import Action, Conversation, Details, Settings, Side
from bridge.conversations.service import Newcomer
from bridge.core.ids import BookingId, ConversationId, ParticipantId, PartyId, TenantId, new_id
from tests.bridge.conversations.features import TENANT, Features, person

ANNA, CHEF = ParticipantId("anna"), ParticipantId("chef")


async def act(
    features: Features,
    conversation: Conversation,
    action: Action,
    *,
    asking: ParticipantId | None = None,
    side: Side | None = None,
) -> Conversation:
    async with features.database.transaction() as tx:
        await features.conversation_changes.act(tx, conversation, action, asking=asking, side=side)
    return await now(features, conversation)


async def now(features: Features, conversation: Conversation) -> Conversation:
    found = await features.conversation_store.get(features.database, conversation.conversation_id)
    assert found is not None
    return found


async def told_since(features: Features, before: int) -> list[str]:
    return [name for name, _ in (await features.told())[before:]]


async def test_what_is_closed_is_stored_and_told_once(features: Features) -> None:
    conversation = await features.open()
    before = len(await features.told())
    features.clock.advance(1_000)
    closed = await act(features, conversation, "close", asking=ANNA)
    assert (closed.status, closed.closed_at) == ("closed", features.clock.now())
    assert await told_since(features, before) == ["ConversationStatusChanged", "PartyListChanged"]
    everything = await features.everything()
    await act(features, conversation, "close", asking=ANNA)
    assert await features.everything() == everything


async def test_a_refusal_changes_nothing(features: Features) -> None:
    conversation = await features.open()
    everything = await features.everything()
    for asking in (CHEF, ParticipantId("nobody")):
        with pytest.raises(NotAllowed):
            await act(features, conversation, "close", asking=asking)
    assert await features.everything() == everything


async def test_of_two_who_act_at_once_each_is_heard(features: Features) -> None:
    conversation = await features.open()
    await asyncio.gather(
        act(features, conversation, "close"), act(features, conversation, "archive"), return_exceptions=False
    )
    found = await now(features, conversation)
    assert found.is_read_only
    assert found.status in ("closed", "archived")


async def test_whoever_was_blocked_is_brought_in_again(features: Features) -> None:
    conversation = await features.open()
    blocked = await act(features, conversation, "block", asking=ANNA)
    assert blocked.blocked_side == "vendor"
    with pytest.raises(NotAllowed):
        await act(features, conversation, "reopen", asking=CHEF)
    before = len(await features.told())
    await act(features, conversation, "reopen", asking=ANNA)
    told = (await features.told())[before:]
    assert [name for name, _ in told] == ["ConversationStatusChanged", "ParticipantAdded", "PartyListChanged"]
    assert told[1][1]["participant_id"] == "chef"


async def test_who_deletes_makes_room_for_a_new_one(features: Features) -> None:
    conversation = await features.open()
    await features.post(conversation, text="Hello")
    async with features.database.transaction() as tx:
        await features.conversation_changes.delete(tx, conversation, asking=ANNA)
    store = features.conversation_store
    assert await store.find(features.database, TENANT, conversation.conversation_id) is None
    assert await newest(features.database, TENANT, Filter(archive=True), before=None, limit=9) == []
    assert (await features.open()).conversation_id != conversation.conversation_id
    assert len(await features.history(conversation)) == 1


async def leave(features: Features, conversation: Conversation, who: ParticipantId) -> None:
    async with features.database.transaction() as tx:
        await features.conversation_changes.leave(tx, conversation, who=who)


async def test_who_leaves_is_told_once_and_can_be_brought_back(features: Features) -> None:
    conversation = await features.open()
    before = len(await features.told())
    await leave(features, conversation, CHEF)
    await leave(features, conversation, CHEF)
    assert await told_since(features, before) == ["ParticipantLeft", "PartyListChanged"]
    assert not await features.conversation_store.is_member(
        features.database, conversation.conversation_id, CHEF
    )
    with pytest.raises(NotAllowed):
        await features.post(conversation, text="Hello?", sender="chef")
    await features.open()
    await features.post(conversation, text="Hello!", sender="chef")


async def made(features: Features) -> Conversation:
    """A group of Anna, whose it is, and Ben."""
    conversation = Conversation(
        tenant_id=TENANT,
        conversation_id=ConversationId(new_id()),
        party_id=None,
        vendor_id=None,
        title="Surprise!",
        status="active",
        created_at=features.clock.now(),
        type="group",
    )
    async with features.database.transaction() as tx:
        anna = Newcomer(person("anna", "Anna"), "host", "owner")
        await features.conversations.make(tx, conversation, [anna, Newcomer(person("ben", "Ben"), "host")])
    return conversation


async def test_groups_are_many_and_their_owners_add_people(features: Features) -> None:
    first, second = await made(features), await made(features)
    assert first.conversation_id != second.conversation_id
    await features.open()
    chef = [Addition(participant_id=CHEF)]
    for asking, allowed in ((ParticipantId("ben"), False), (ANNA, True)):
        async with features.database.transaction() as tx:
            if allowed:
                await features.conversation_changes.add(tx, first, chef, asking=asking)
            else:
                with pytest.raises(NotAllowed):
                    await features.conversation_changes.add(tx, first, chef, asking=asking)
    people = await features.conversation_store.members(features.database, first.conversation_id)
    assert {(one.participant.participant_id, one.standing) for one in people} == {
        ("anna", "owner"),
        ("ben", "member"),
        ("chef", "member"),
    }
    direct = await features.open()
    with pytest.raises(NotAGroup):
        async with features.database.transaction() as tx:
            await features.conversation_changes.add(tx, direct, chef, asking=ANNA)


async def test_a_party_has_one_conversation_of_its_own_and_a_pair_one_without_a_party(
    features: Features,
) -> None:
    async def opened(party: str | None, vendor: str | None, host: str = "anna") -> str:
        async with features.database.transaction() as tx:
            conversation = await features.conversations.open(
                tx,
                tenant_id=TENANT,
                party_id=None if party is None else PartyId(party),
                party_title="Anna & Ben",
                hosts=[person(host, host)],
                vendor=None if vendor is None else person(vendor, vendor),
            )
        return conversation.conversation_id

    pairs = [("p", None), ("p", "chef"), (None, "chef"), ("q", None), (None, "florist")]
    ids = [await opened(party, vendor) for party, vendor in pairs]
    assert len(set(ids)) == len(pairs)
    assert [await opened(party, vendor) for party, vendor in pairs] == ids
    assert await opened(None, "chef", host="ben") not in ids
    racers = await asyncio.gather(*(opened(None, "baker") for _ in range(8)))
    assert len(set(racers)) == 1


async def test_details_are_sealed_and_links_found(features: Features) -> None:
    conversation = await features.open()
    details = Details(
        subject="Menu", description="Vegan for 80", category="food", tags=("vegan",), metadata={"guests": 80}
    )

    def linked(found: Conversation) -> Conversation:
        return replace(found, title="Vegan menu", event_id="evt", lead_id="lead", service_type="catering")

    async with features.database.transaction() as tx:
        await features.conversation_changes.edit(
            tx,
            conversation,
            asking=ANNA,
            changed=linked,
            described=lambda _: details,
            booking_ids=[BookingId("b-2"), BookingId("b-1")],
        )
    found = await now(features, conversation)
    assert (found.title, found.event_id, found.lead_id) == ("Vegan menu", "evt", "lead")
    here = conversation.conversation_id
    assert await features.change_store.details(features.database, here) == details
    assert (await features.change_store.bookings_of(features.database, [here]))[here] == ["b-1", "b-2"]
    assert "Vegan for 80" not in repr(await features.everything())
    assert (await features.told())[-1][0] == "ConversationChanged"
    for wanted in (Filter(booking_id=BookingId("b-1")), Filter(event_id="evt")):
        (listed,) = await newest(features.database, TENANT, wanted, before=None, limit=9)
        assert listed.conversation == found
    nothing = Filter(booking_id=BookingId("b-3"))
    assert await newest(features.database, TENANT, nothing, before=None, limit=9) == []
    other = Filter(event_id="evt")
    assert await newest(features.database, TenantId("other"), other, before=None, limit=9) == []


async def test_settings_are_each_persons_own(features: Features) -> None:
    conversation, other = await features.open(), await features.open(party="p2")
    wanted = Settings(muted=True, pinned=True, sound=False, notification_level="mentions")
    async with features.database.transaction() as tx:
        changes = features.conversation_changes
        assert await changes.set_settings(tx, conversation, whose=ANNA, changed=lambda _: wanted) == wanted
    here = conversation.conversation_id
    assert await features.change_store.settings(features.database, here, ANNA) == wanted
    assert await features.change_store.settings(features.database, here, CHEF) == Settings()

    async def listed(wanted: Filter) -> list[str]:
        found = await newest(features.database, TENANT, wanted, before=None, limit=9)
        return [one.conversation.conversation_id for one in found]

    assert await listed(Filter(member=ANNA, is_pinned=True)) == [here]
    assert await listed(Filter(member=ANNA, is_muted=True)) == [here]
    assert await listed(Filter(member=ANNA, is_pinned=False)) == [other.conversation_id]
    assert len(await listed(Filter(member=ANNA))) == 2


async def test_the_archive_is_listed_only_when_asked_for(features: Features) -> None:
    kept, archived = await features.open(), await features.open(party="p2")
    await act(features, archived, "archive")

    async def listed(wanted: Filter) -> set[str]:
        found = await newest(features.database, TENANT, wanted, before=None, limit=9)
        return {one.conversation.conversation_id for one in found}

    assert await listed(Filter()) == {kept.conversation_id}
    assert await listed(Filter(status="archived")) == {archived.conversation_id}
    assert await listed(Filter(archive=True)) == {kept.conversation_id, archived.conversation_id}
