"""A standing is changed, somebody is taken out: what is stored and told of it, on both databases."""

import asyncio

import pytest

from bridge.conversations.additions import Addition
from bridge.conversations.errors import LastOwner, NotAGroup, NotAllowed
from bridge.conversations.model import Conversation, Standing
from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId
from tests.bridge.conversations.features import TENANT, Features, person
from tests.bridge.conversations.test_changes import told_since
from tests.bridge.conversations.test_leaving import group, standings

ANNA, BEN, CLEO, CHEF = (ParticipantId(one) for one in ("anna", "ben", "cleo", "chef"))


async def give(
    features: Features,
    conversation: Conversation,
    whose: ParticipantId,
    standing: Standing,
    *,
    asking: ParticipantId | None = None,
) -> None:
    async with features.database.transaction() as tx:
        await features.conversation_changes.set_standing(tx, conversation, whose, standing, asking=asking)


async def remove(
    features: Features,
    conversation: Conversation,
    whom: ParticipantId,
    *,
    asking: ParticipantId | None = None,
) -> None:
    async with features.database.transaction() as tx:
        await features.conversation_changes.remove(tx, conversation, whom, asking=asking)


async def test_a_standing_is_stored_and_told_once(features: Features) -> None:
    here = await group(features, anna="owner", ben="member")
    before = len(await features.told())
    await give(features, here, BEN, "admin", asking=ANNA)
    assert await standings(features, here) == {"anna": ("owner", None), "ben": ("admin", None)}
    assert await told_since(features, before) == ["ConversationChanged"]
    everything = await features.everything()
    await give(features, here, BEN, "admin", asking=ANNA)
    assert await features.everything() == everything
    async with features.database.transaction() as tx:
        await features.conversation_changes.act(tx, here, "close", asking=BEN)


async def test_who_is_taken_out_is_told_once_and_has_no_say_any_more(features: Features) -> None:
    here = await group(features, anna="owner", ben="admin", cleo="member")
    before = len(await features.told())
    await remove(features, here, CLEO, asking=BEN)
    assert await told_since(features, before) == ["ParticipantRemoved"]
    await remove(features, here, BEN, asking=ANNA)
    # What an admin may do in the room ends, too.
    assert (await told_since(features, before))[1:] == ["ParticipantRemoved", "ConversationChanged"]
    assert (await features.told())[-2][1]["participant_id"] == "ben"
    assert await standings(features, here) == {
        "anna": ("owner", None),
        "ben": ("member", "removed"),
        "cleo": ("member", "removed"),
    }
    everything = await features.everything()
    await remove(features, here, CLEO, asking=ANNA)
    assert await features.everything() == everything
    assert await features.conversation_store.of_participant(features.database, TENANT, CLEO) == []
    with pytest.raises(NotAllowed):
        await features.post(here, text="Hello?", sender="cleo")


async def test_the_space_of_the_party_follows(features: Features) -> None:
    here = await features.open(hosts=[person("anna", "Anna"), person("ben", "Ben")])
    before = len(await features.told())
    await remove(features, here, BEN)
    assert await told_since(features, before) == [
        "ParticipantRemoved",
        "ConversationChanged",
        "PartyListChanged",
    ]


async def test_who_was_taken_out_comes_back_only_when_added_again(features: Features) -> None:
    here = await group(features, anna="owner", ben="admin")
    await remove(features, here, BEN)
    async with features.database.transaction() as tx:  # an invite that they accepted just then
        await features.conversations.came(tx, here.conversation_id, BEN)
    assert (await standings(features, here))["ben"] == ("member", "removed")
    before = len(await features.told())
    async with features.database.transaction() as tx:
        await features.conversation_changes.add(tx, here, [Addition(participant_id=BEN)], asking=ANNA)
    assert (await standings(features, here))["ben"] == ("member", None)
    assert await told_since(features, before) == ["ParticipantAdded", "ConversationChanged"]


async def test_a_refusal_changes_nothing(features: Features) -> None:
    here, direct = await group(features, anna="owner", ben="admin", cleo="member"), await features.open()
    everything = await features.everything()
    nobody = ParticipantId("nobody")
    for whose, asking, refusal in (
        (CLEO, BEN, NotAllowed),
        (ANNA, None, LastOwner),
        (nobody, ANNA, NotFound),
        (CLEO, nobody, NotAllowed),
    ):
        with pytest.raises(refusal):
            await give(features, here, whose, "member" if whose == ANNA else "admin", asking=asking)
    for conversation, whom, asking, refused in (
        (here, ANNA, BEN, NotAllowed),
        (here, ANNA, None, LastOwner),
        (here, nobody, None, NotFound),
        (direct, CHEF, ANNA, NotAGroup),
    ):
        with pytest.raises(refused):
            await remove(features, conversation, whom, asking=asking)
    assert await features.everything() == everything


@pytest.mark.parametrize("taken_out", [False, True])
async def test_of_two_owners_who_put_each_other_down_at_once_one_stays(
    features: Features, taken_out: bool
) -> None:
    here = await group(features, anna="owner", ben="owner", cleo="member")

    async def put_down(whom: ParticipantId, asking: ParticipantId) -> None:
        if taken_out:
            await remove(features, here, whom, asking=asking)
        else:
            await give(features, here, whom, "member", asking=asking)

    done = await asyncio.gather(put_down(BEN, ANNA), put_down(ANNA, BEN), return_exceptions=True)
    assert [type(one) for one in done if one is not None] == [NotAllowed]
    owners = [
        name for name, (standing, _) in (await standings(features, here)).items() if standing == "owner"
    ]
    assert len(owners) == 1


async def test_of_two_owners_whom_the_platform_puts_down_at_once_one_stays(features: Features) -> None:
    here = await group(features, anna="owner", ben="owner")
    done = await asyncio.gather(
        remove(features, here, ANNA), give(features, here, BEN, "member"), return_exceptions=True
    )
    assert [type(one) for one in done if one is not None] == [LastOwner]
