"""Whose account is whose, and what becomes of a conversation when that changes: on both databases."""

import asyncio

import pytest

from bridge.conversations.absence_store import seen_by
from bridge.conversations.absences import ALL
from bridge.conversations.errors import AccountTaken
from bridge.conversations.model import Away, Conversation
from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId, TenantId
from tests.bridge.conversations.features import TENANT, Features, person
from tests.bridge.conversations.test_changes import act, leave, told_since
from tests.bridge.conversations.test_leaving import standings

ANNA, CHEF = ParticipantId("anna"), ParticipantId("chef")
WRONG, RIGHT = "@chief:example.org", "@chef:example.org"


async def link(features: Features, mxid: str, who: ParticipantId = CHEF) -> None:
    async with features.database.transaction() as tx:
        await features.accounts.link(tx, TENANT, who, mxid)


async def unlink(features: Features) -> None:
    async with features.database.transaction() as tx:
        await features.accounts.unlink(tx, TENANT, CHEF)


async def goes(features: Features, conversation: Conversation, away: Away) -> None:
    """As a client does it."""
    async with features.database.transaction() as tx:
        await features.conversations.went(tx, conversation.conversation_id, CHEF, away)


async def added_since(features: Features, before: int) -> set[str]:
    told = (await features.told())[before:]
    return {fields["conversation_id"] for name, fields in told if name == "ParticipantAdded"}


async def away(features: Features, conversation: Conversation) -> Away | None:
    return (await standings(features, conversation))["chef"][1]


async def test_an_account_is_linked_and_unlinked_wherever_they_take_part(features: Features) -> None:
    first, second = await features.open(), await features.open(party="p2")
    await leave(features, await features.open(party="p3"), CHEF)
    before = len(await features.told())
    async with features.database.transaction() as tx:
        linked = await features.accounts.link(tx, TENANT, CHEF, "@chef:example.org")
        assert linked.mxid == "@chef:example.org"
        await features.accounts.link(tx, TENANT, CHEF, "@chef:example.org")
        with pytest.raises(AccountTaken):
            await features.accounts.link(tx, TENANT, ANNA, "@chef:example.org")
        with pytest.raises(NotFound):
            await features.accounts.link(tx, TenantId("other"), CHEF, "@chef:example.org")
    told = (await features.told())[before:]
    added = {fields["conversation_id"] for name, fields in told if name == "ParticipantAdded"}
    assert added == {first.conversation_id, second.conversation_id}
    before = len(await features.told())
    async with features.database.transaction() as tx:
        assert (await features.accounts.unlink(tx, TENANT, CHEF)).mxid is None
        await features.accounts.unlink(tx, TENANT, CHEF)
    told = (await features.told())[before:]
    unlinked = [fields["address"] for name, fields in told if name == "AccountUnlinked"]
    assert unlinked == ["@chef:example.org"] * 2


async def test_who_comes_with_another_account_gives_up_the_first(features: Features) -> None:
    await features.open(vendor=person("chef", "Chef", mxid="@old:example.org"))
    before = len(await features.told())
    await features.open(vendor=person("chef", "Chef", mxid="@new:example.org"))
    names = await told_since(features, before)
    assert (
        names.index("AccountUnlinked") < names.index("ParticipantAdded") < names.index("ConversationChanged")
    )


@pytest.mark.parametrize("then", ["another account", "another account in an event", "none"])
async def test_what_the_former_account_declined_they_have_not(features: Features, then: str) -> None:
    """Nor what it declined before they were known to have another."""
    declined, left, there = [await features.open(party=party) for party in ("p1", "p2", "p3")]
    await link(features, WRONG)
    await goes(features, declined, "declined")
    await features.post(declined, text="Hello?")
    await goes(features, left, "left")
    before = len(await features.told())
    match then:
        case "another account":
            await link(features, RIGHT)
        case "another account in an event":
            await features.open(party="p3", vendor=person("chef", "Sweet Bites", mxid=RIGHT))
        case _:
            await unlink(features)
    assert [await away(features, one) for one in (declined, left, there)] == [None, "left", None]
    here = {declined.conversation_id, there.conversation_id}
    told = (await features.told())[before:]
    assert {fields["conversation_id"] for name, fields in told if name == "AccountUnlinked"} == here
    assert await added_since(features, before) == (set() if then == "none" else here)
    assert await features.conversation_store.is_member(features.database, declined.conversation_id, CHEF)
    assert await seen_by(features.database, declined.conversation_id, CHEF) == ALL
    assert await seen_by(features.database, left.conversation_id, CHEF) != ALL


async def test_who_declined_and_is_without_an_account_is_back_with_one(features: Features) -> None:
    conversation = await features.open()
    await goes(features, conversation, "declined")
    before = len(await features.told())
    await link(features, RIGHT)
    assert await added_since(features, before) == {conversation.conversation_id}


async def test_another_account_ends_no_block(features: Features) -> None:
    conversation = await features.open()
    await link(features, WRONG)
    await goes(features, conversation, "declined")
    await act(features, conversation, "block", side="vendor")
    before = len(await features.told())
    await link(features, RIGHT)
    assert await away(features, conversation) == "blocked"
    assert await added_since(features, before) == set()
    await act(features, conversation, "reopen")
    assert await added_since(features, before) == {conversation.conversation_id}


async def test_an_account_is_invited_to_nothing_that_was_deleted(features: Features) -> None:
    conversation = await features.open()
    async with features.database.transaction() as tx:
        await features.conversation_changes.delete(tx, conversation, asking=None)
    before = len(await features.told())
    await link(features, RIGHT)
    assert await told_since(features, before) == []


async def test_whoever_opens_a_conversation_takes_nobodys_account(features: Features) -> None:
    await features.open(vendor=person("chef", "Sweet Bites", mxid=RIGHT))
    everything = await features.everything()
    for asked in (
        {"vendor": person("florist", "Petals", mxid=RIGHT)},
        {"hosts": [person("anna", "Anna", mxid=RIGHT)]},  # somebody who is known
        {"hosts": [person(one, one, mxid="@both:example.org") for one in ("ben", "cleo")], "party": "p2"},
    ):
        with pytest.raises(AccountTaken):
            await features.open(**asked)
        assert await features.everything() == everything
    elsewhere = TenantId("other")
    await features.open(vendor=person("chef", "Sweet Bites", mxid=RIGHT, tenant=elsewhere), tenant=elsewhere)


async def test_of_two_who_want_an_account_at_once_one_gets_it(features: Features) -> None:
    await features.open()
    outcomes = await asyncio.gather(
        link(features, RIGHT), link(features, RIGHT, ANNA), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["AccountTaken", "NoneType"]
