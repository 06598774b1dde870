"""Who owns a conversation when its owners leave, and who is kept out of it while blocked: on both databases."""

import asyncio

import pytest

from bridge.conversations.errors import NotAllowed
from bridge.conversations.model import Away, Conversation, Standing
from bridge.conversations.service import Newcomer
from bridge.core.ids import ConversationId, ParticipantId, new_id
from tests.bridge.conversations.features import TENANT, Features, person

ANNA, BEN, CLEO, CHEF = (ParticipantId(one) for one in ("anna", "ben", "cleo", "chef"))


async def group(features: Features, **standings: Standing) -> Conversation:
    """Of hosts with these names, who came in this order."""
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
    for number, (name, standing) in enumerate(standings.items()):
        features.clock.advance(1)
        newcomer = [Newcomer(person(name, name.title()), "host", standing)]
        async with features.database.transaction() as tx:
            if number:
                await features.conversations.add(tx, conversation, newcomer)
            else:
                await features.conversations.make(tx, conversation, newcomer)
    return conversation


async def standings(
    features: Features, conversation: Conversation
) -> dict[str, tuple[Standing, Away | None]]:
    people = await features.conversation_store.members(features.database, conversation.conversation_id)
    return {one.participant.participant_id: (one.standing, one.away) for one in people}


async def leave(features: Features, conversation: Conversation, who: ParticipantId) -> None:
    async with features.database.transaction() as tx:
        await features.conversation_changes.leave(tx, conversation, who=who)


async def test_the_only_owner_leaves_by_the_api(features: Features) -> None:
    here = await group(features, anna="owner", ben="member", cleo="admin")
    before = len(await features.told())
    await leave(features, here, ANNA)
    assert [name for name, _ in (await features.told())[before:]] == [
        "ParticipantLeft",
        "ConversationChanged",
    ]
    assert await standings(features, here) == {
        "anna": ("member", "left"),
        "ben": ("member", None),
        "cleo": ("owner", None),
    }
    async with features.database.transaction() as tx:
        await features.conversation_changes.act(tx, here, "close", asking=CLEO)


async def goes(features: Features, conversation: Conversation, who: ParticipantId, away: Away) -> None:
    """In a client."""
    async with features.database.transaction() as tx:
        await features.conversations.went(tx, conversation.conversation_id, who, away)


@pytest.mark.parametrize(("away", "told"), [("left", "ParticipantLeft"), ("removed", "ParticipantRemoved")])
async def test_the_only_owner_is_gone_in_their_client(features: Features, away: Away, told: str) -> None:
    here = await group(features, anna="owner", ben="member")
    before = len(await features.told())
    await goes(features, here, ANNA, away)
    assert await standings(features, here) == {"anna": ("member", away), "ben": ("owner", None)}
    (gone, fields), (changed, _) = (await features.told())[before:]
    assert (gone, changed) == (told, "ConversationChanged")
    assert (fields["participant_id"], fields["in_client"]) == ("anna", True)


async def test_who_declines_stays_an_owner(features: Features) -> None:
    here = await group(features, anna="owner", ben="member")
    before = len(await features.told())
    await goes(features, here, ANNA, "declined")
    assert (await standings(features, here))["ben"] == ("member", None)
    assert [name for name, _ in (await features.told())[before:]] == ["ParticipantDeclined"]


@pytest.mark.parametrize("by_api", [True, False])
@pytest.mark.parametrize("then", ["left", "removed", "declined"])
async def test_who_has_gone_goes_once(features: Features, by_api: bool, then: Away) -> None:
    """As where somebody leaves here and there at once, or is banned after they have left."""
    here = await group(features, anna="owner", ben="member")
    if by_api:
        await leave(features, here, BEN)
    else:
        await goes(features, here, BEN, "left")
    everything = await features.everything()
    await goes(features, here, BEN, then)
    assert await features.everything() == everything


async def test_who_declines_again_is_told_of_once(features: Features) -> None:
    here = await group(features, anna="owner", ben="member")
    await goes(features, here, BEN, "declined")
    everything = await features.everything()
    await goes(features, here, BEN, "declined")
    assert await features.everything() == everything
    await goes(features, here, BEN, "removed")
    assert (await features.told())[-1][0] == "ParticipantRemoved"
    assert (await standings(features, here))["ben"] == ("member", "removed")


async def test_of_two_owners_who_leave_at_once_one_has_an_heir(features: Features) -> None:
    here = await group(features, anna="owner", ben="owner", cleo="member")
    await asyncio.gather(leave(features, here, ANNA), leave(features, here, BEN))
    assert (await standings(features, here))["cleo"] == ("owner", None)


async def test_who_comes_back_is_what_they_are_brought_back_as(features: Features) -> None:
    here = await group(features, anna="owner", ben="member")
    await leave(features, here, ANNA)
    async with features.database.transaction() as tx:
        await features.conversations.add(tx, here, [Newcomer(person("anna", "Anna"), "host")])
    assert await standings(features, here) == {"anna": ("member", None), "ben": ("owner", None)}
    direct = await features.open()
    await leave(features, direct, ANNA)
    assert await standings(features, direct) == {"anna": ("member", "left"), "chef": ("member", None)}
    await features.open()
    assert (await standings(features, direct))["anna"] == ("owner", None)


async def block(features: Features, conversation: Conversation, action: str) -> None:
    async with features.database.transaction() as tx:
        changes = features.conversation_changes
        if action == "block":
            await changes.act(tx, conversation, "block", asking=None, side="vendor")
        else:
            await changes.act(tx, conversation, "reopen", asking=None)


async def test_who_is_blocked_takes_no_part_until_it_is_over(features: Features) -> None:
    here = await features.open()
    store, database = features.conversation_store, features.database
    await block(features, here, "block")
    assert await standings(features, here) == {"anna": ("owner", None), "chef": ("member", "blocked")}
    assert not await store.is_member(database, here.conversation_id, CHEF)
    assert await store.of_participant(database, TENANT, CHEF) == []
    # Neither by opening it once more, nor by being let in: an invite that they accept just then.
    await features.open()
    async with database.transaction() as tx:
        await features.conversations.came(tx, here.conversation_id, CHEF)
    assert (await standings(features, here))["chef"] == ("member", "blocked")
    await block(features, here, "reopen")
    assert (await standings(features, here))["chef"] == ("member", None)
    assert await store.is_member(database, here.conversation_id, CHEF)


async def test_whoever_leaves_while_blocked_is_not_brought_back(features: Features) -> None:
    here = await features.open()
    await block(features, here, "block")
    await leave(features, here, CHEF)
    before = len(await features.told())
    await block(features, here, "reopen")
    assert "ParticipantAdded" not in [name for name, _ in (await features.told())[before:]]
    assert (await standings(features, here))["chef"] == ("member", "left")


async def test_whoever_comes_to_the_blocked_side_is_blocked(features: Features) -> None:
    here = await features.open()
    async with features.database.transaction() as tx:
        await features.conversation_changes.act(tx, here, "block", asking=None, side="host")
    await features.open(hosts=[person("anna", "Anna"), person("ben", "Ben")])
    assert (await standings(features, here))["ben"] == ("owner", "blocked")
    with pytest.raises(NotAllowed):
        async with features.database.transaction() as tx:
            await features.conversation_changes.delete(tx, here, asking=BEN)
