"""One conversation per tenant, party and vendor, whoever opens it and however often."""

import asyncio

import pytest

from bridge.conversations import rules
from bridge.core.ids import TenantId
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features, person


@pytest.fixture
def features(database: Database) -> Features:
    return Features(database)


async def test_opening_makes_the_conversation_and_tells_of_it_and_of_each_person(features: Features) -> None:
    anna, ben = person("anna", "Anna"), person("ben", "Ben")
    conversation = await features.open(hosts=[anna, ben])
    stored = await features.conversation_store.get(features.database, conversation.conversation_id)
    assert stored == conversation
    assert (conversation.title, conversation.status) == ("Anna & Ben x Sweet Bites", "active")
    told = await features.told()
    assert [name for name, _ in told] == ["ConversationOpened", *["ParticipantAdded"] * 3]
    assert [fields["participant_id"] for _, fields in told[1:]] == ["anna", "ben", "chef"]
    assert {fields["conversation_id"] for _, fields in told} == {conversation.conversation_id}


async def test_opening_it_again_changes_nothing(features: Features) -> None:
    first = await features.open()
    before = await features.everything()
    assert await features.open(title="Another title") == first
    assert await features.everything() == before


async def test_who_is_new_is_added_and_who_is_left_out_stays(features: Features) -> None:
    first = await features.open(hosts=[person("anna", "Anna")])
    await features.open(hosts=[person("ben", "Ben")])
    people = await features.conversation_store.members(features.database, first.conversation_id)
    assert {one.participant.participant_id for one in people} == {"anna", "ben", "chef"}
    assert [fields["participant_id"] for _, fields in (await features.told())[1:]] == ["anna", "chef", "ben"]


async def test_parties_vendors_and_tenants_have_conversations_of_their_own(features: Features) -> None:
    opened = [
        await features.open(),
        await features.open(party="p2"),
        await features.open(vendor=person("florist", "Petals")),
        await features.open(tenant=TenantId("other")),
    ]
    assert len({one.conversation_id for one in opened}) == 4


async def test_ids_that_read_alike_when_joined_do_not_collide(features: Features) -> None:
    pairs = [("a", "b:c"), ("a:b", "c"), ("a:b:c", ""), ("a/b", "c"), ("A", "b:c"), ("a", "b:C")]
    opened = [await features.open(party=party, vendor=person(vendor, "V")) for party, vendor in pairs]
    assert len({one.conversation_id for one in opened}) == len(pairs)


async def test_of_many_who_open_at_once_one_makes_it_and_all_get_it(features: Features) -> None:
    opened = await asyncio.gather(*(features.open() for _ in range(8)))
    assert len({one.conversation_id for one in opened}) == 1
    assert [name for name, _ in await features.told()] == ["ConversationOpened", *["ParticipantAdded"] * 2]


async def test_racing_opens_lose_nobody(features: Features) -> None:
    names = [f"host {number}" for number in range(8)]
    opened = await asyncio.gather(*(features.open(hosts=[person(name, name)]) for name in names))
    (conversation_id,) = {one.conversation_id for one in opened}
    people = await features.conversation_store.members(features.database, conversation_id)
    assert {one.participant.participant_id for one in people} == {*names, "chef"}
    assert len(await features.told()) == 1 + len(people)


async def test_what_is_rolled_back_leaves_no_conversation(features: Features) -> None:
    before = await features.everything()

    async def break_off() -> None:
        async with features.database.transaction() as tx:
            await features.participants.put(tx, person("anna", "Anna"))
            raise LookupError

    with pytest.raises(LookupError):
        await break_off()
    assert await features.everything() == before


@pytest.mark.parametrize(
    ("party", "vendor", "title"),
    [
        ("Anna & Ben", "Sweet Bites", "Anna & Ben x Sweet Bites"),
        ("🎂", "花屋", "🎂 x 花屋"),
        # Exactly as long as allowed, and one more.
        ("p" * 251, "v", "p" * 251 + " x v"),
        ("p" * 252, "v", "p" * 252 + " x "),
        ("p" * 200, "v" * 100, "p" * 200 + " x " + "v" * 52),
    ],
)
def test_titles_name_both_and_end_at_their_limit(party: str, vendor: str, title: str) -> None:
    assert rules.title(party, vendor) == title
    assert len(title) <= rules.LONGEST_TITLE
