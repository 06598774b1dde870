"""What is stored of vendors: sealed where it is personal, and known to those alone who have to do with them."""

from dataclasses import replace
from typing import Any

import pytest

from bridge.conversations.model import Conversation
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.statistics.answers import VendorAnswers
from bridge.storage.database import Database
from bridge.storage.migrate import SHIPPED, split
from bridge.vendors.model import Declared, Private, Stars, Work
from bridge.vendors.rating_store import RatingStore
from bridge.vendors.store import Filter, VendorStore
from tests.bridge.conversations.features import TENANT, Features, person

CHEF, FLORIST = VendorId("chef"), VendorId("florist")
ANNA, BEN = ParticipantId("anna"), ParticipantId("ben")
PRIVATE = Private(
    contact_name="Carla Cook",
    email="carla@sweet.example",
    phone="+4930123456",
    metadata={"note": "pays late", "since": 2019},
)


@pytest.fixture
def features(database: Database) -> Features:
    return Features(database)


@pytest.fixture
def store(features: Features) -> VendorStore:
    return VendorStore(features.sealer, features.clock)


async def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    found: list[Any] = await database.fetch(sql)
    return [tuple(row) for row in found]


async def meet(features: Features, host: str, vendor: str, party: str = "p1") -> Conversation:
    return await features.open(
        party=party, hosts=[person(host, host.title())], vendor=person(vendor, vendor.title())
    )


async def test_whoever_takes_part_as_a_vendor_is_known_as_one(features: Features, store: VendorStore) -> None:
    await meet(features, "anna", "chef")
    vendor = await store.get(features.database, TENANT, CHEF)
    assert vendor is not None
    assert (vendor.business_name, vendor.specialties, vendor.declared) == ("Chef", (), None)
    assert await store.private(features.database, TENANT, CHEF) == Private()
    assert await store.get(features.database, TENANT, VendorId("anna")) is None
    assert await store.get(features.database, TenantId("other"), CHEF) is None


async def test_what_is_told_of_a_vendor_comes_back_and_is_no_plaintext(
    features: Features, store: VendorStore
) -> None:
    await meet(features, "anna", "chef")
    known = await store.get(features.database, TENANT, CHEF)
    assert known is not None
    ratings = RatingStore(features.sealer, features.clock)
    async with features.database.transaction() as tx:
        await store.set_private(tx, TENANT, CHEF, PRIVATE)
        await store.set_status(tx, TENANT, CHEF, Declared(status="busy", until=5))
        await ratings.put(
            tx, TENANT, CHEF, host_id=ANNA, party_id=PartyId("p1"), stars=2, review="Dry cake, sorry"
        )
    assert await store.private(features.database, TENANT, CHEF) == PRIVATE
    assert await store.private_of(features.database, TENANT, [CHEF, FLORIST]) == {CHEF: PRIVATE}
    vendor = await store.get(features.database, TENANT, CHEF)
    assert vendor is not None
    assert vendor.declared == Declared(status="busy", until=5)
    tables = ("vendors", "vendor_ratings", "outbox", "feed")
    kept = repr([await rows(features.database, f"SELECT * FROM {table}") for table in tables])
    for word in ("Carla", "carla@", "+4930", "pays late", "Dry cake"):
        assert word not in kept


async def test_a_portfolio_comes_back_as_it_was(features: Features, store: VendorStore) -> None:
    await meet(features, "anna", "chef")
    vendor = await store.get(features.database, TENANT, CHEF)
    assert vendor is not None
    told = replace(
        vendor,
        specialties=("cakes", "vegan"),
        portfolio=(Work(title="A tower", url="https://sweet.example/1"), Work(title="A swan")),
        pricing_info={"from": 120, "currency": "EUR", "tasting": True, "note": None},
    )
    async with features.database.transaction() as tx:
        await store.set_profile(tx, told)
    assert await store.get(features.database, TENANT, CHEF) == replace(told, updated_at=features.clock.now())


async def test_vendors_are_known_to_whom_they_talk_with(features: Features, store: VendorStore) -> None:
    with_chef = await meet(features, "anna", "chef")
    await meet(features, "ben", "florist", "p2")
    database = features.database

    async def known(who: ParticipantId) -> dict[VendorId, bool]:
        found = await store.acquaintances(database, TENANT, who, [CHEF, FLORIST])
        listed = await store.newest(database, TENANT, Filter(known_to=who), before=None, limit=9)
        assert {vendor.vendor_id for vendor in listed} == set(found)
        return {vendor: acquaintance.is_open for vendor, acquaintance in found.items()}

    assert await known(ANNA) == {CHEF: True}
    assert await known(BEN) == {FLORIST: True}
    async with database.transaction() as tx:
        await features.conversation_changes.act(tx, with_chef, "close", asking=None)
    assert await known(ANNA) == {CHEF: False}
    async with database.transaction() as tx:
        await features.conversation_changes.act(tx, with_chef, "reopen", asking=None)
        await features.conversation_changes.leave(tx, with_chef, who=ParticipantId("chef"))
    assert await known(ANNA) == {CHEF: False}, "who has left is not to be reached any more"
    async with database.transaction() as tx:
        await features.conversation_changes.leave(tx, with_chef, who=ANNA)
    assert await known(ANNA) == {}
    again = await meet(features, "anna", "chef")
    assert await known(ANNA) == {CHEF: True}
    async with database.transaction() as tx:
        await features.conversation_changes.delete(tx, again, asking=None)
    assert await known(ANNA) == {}
    of_party = await store.newest(database, TENANT, Filter(party_id=PartyId("p2")), before=None, limit=9)
    assert [vendor.vendor_id for vendor in of_party] == [FLORIST]


async def test_a_host_has_one_opinion_of_a_party(features: Features) -> None:
    await meet(features, "anna", "chef")
    await meet(features, "anna", "chef", "p2")
    ratings, database = RatingStore(features.sealer, features.clock), features.database

    async def rate(host: ParticipantId, party: str | None, stars: int, review: str | None = None) -> None:
        party_id = None if party is None else PartyId(party)
        async with database.transaction() as tx:
            await ratings.put(tx, TENANT, CHEF, host_id=host, party_id=party_id, stars=stars, review=review)

    assert await ratings.parties(database, TENANT, CHEF, ANNA) == {"p1", "p2"}
    assert await ratings.parties(database, TENANT, CHEF, BEN) == set()
    assert await ratings.stars(database, TENANT, [CHEF]) == {}
    for stars in (1, 5):
        await rate(ANNA, "p1", stars, f"{stars} stars")
    await rate(ANNA, "p2", 4)
    await rate(BEN, None, 4)
    assert await ratings.stars(database, TENANT, [CHEF, FLORIST]) == {CHEF: Stars(4.33, 3)}
    listed = await ratings.newest(database, TENANT, CHEF, before=None, limit=2)
    assert [(one.rating.host_id, one.rating.party_id) for one in listed] == [(BEN, None), (ANNA, "p2")]
    (first,) = await ratings.newest(database, TENANT, CHEF, before=listed[-1].position, limit=2)
    assert (first.rating.stars, first.rating.review) == (5, "5 stars")
    assert await ratings.newest(database, TenantId("other"), CHEF, before=None, limit=2) == []


async def test_what_was_said_before_counts_after_the_upgrade(features: Features) -> None:
    """The migration notes the same answers that would have been noted."""
    features.outbox.witness(VendorAnswers(features.clock).heard)
    for party in ("p1", "p2"):
        conversation = await meet(features, "anna", "chef", party)
        for sender in ("chef", "anna", "anna", "chef", "chef", "anna", "chef"):
            features.clock.advance(1_000)
            await features.post(conversation, text="Hello", sender=sender)
        history = await features.history(conversation)
        async with features.database.transaction() as tx:
            await features.changes.delete(tx, history[1], sender_id=None)
    select = "SELECT position, tenant_id, vendor_id, answered_at, took FROM vendor_answers ORDER BY position"
    noted = await rows(features.database, select)
    assert [row[-1] for row in noted] == [1_000, 1_000] * 2
    (upgrade,) = (
        statement
        for statement in split((SHIPPED / "0023_vendors.sql").read_text())
        if "INSERT INTO vendor_answers" in statement
    )
    async with features.database.transaction() as tx:
        await tx.execute("DELETE FROM vendor_answers")
        await tx.execute(upgrade)
    assert await rows(features.database, select) == noted
