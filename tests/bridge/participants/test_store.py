"""What is known about people: the newest word counts, and what is left out takes nothing away."""

import pytest

from bridge.core.ids import ParticipantId, TenantId
from bridge.participants.model import Participant
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT, Features, person

MXID, AVATAR = "@anna:example.org", "mxc://example.org/a"


@pytest.fixture
def features(database: Database) -> Features:
    return Features(database)


async def known(features: Features, *said: Participant) -> Participant | None:
    async with features.database.transaction() as tx:
        for one in said:
            await features.participants.put(tx, one)
    return await features.participants.get(features.database, TENANT, ParticipantId("anna"))


async def test_a_person_is_found_as_put(features: Features) -> None:
    anna = person("anna", "Anna", mxid=MXID, avatar_url=AVATAR)
    assert await known(features, anna) == anna


async def test_nobody_is_found_under_another_tenant(features: Features) -> None:
    await known(features, person("anna", "Anna"))
    other = TenantId("other")
    assert await features.participants.get(features.database, other, ParticipantId("anna")) is None


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        # A new name replaces the old one.
        (person("anna", "Anna Berg"), person("anna", "Anna Berg", mxid=MXID, avatar_url=AVATAR)),
        # A new address and picture replace the old ones.
        (
            person("anna", "Anna", mxid="@a:x.org", avatar_url="mxc://x.org/b"),
            person("anna", "Anna", mxid="@a:x.org", avatar_url="mxc://x.org/b"),
        ),
        # What is left out stays.
        (person("anna", "Anna"), person("anna", "Anna", mxid=MXID, avatar_url=AVATAR)),
    ],
)
async def test_people_are_updated(features: Features, then: Participant, expected: Participant) -> None:
    assert await known(features, person("anna", "Anna", mxid=MXID, avatar_url=AVATAR), then) == expected


async def test_an_update_reaches_every_conversation_of_the_person(features: Features) -> None:
    first, second = await features.open(party="p1"), await features.open(party="p2")
    await features.open(party="p2", hosts=[person("anna", "Anna Berg", mxid=MXID)])
    for conversation in (first, second):
        people = await features.conversation_store.members(features.database, conversation.conversation_id)
        assert [(one.participant.name, one.participant.mxid) for one in people] == [
            ("Anna Berg", MXID),
            ("Sweet Bites", None),
        ]
