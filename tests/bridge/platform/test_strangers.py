"""News of somebody whom nobody knows yet waits for who names them, not for ever; of strangers nothing becomes known."""

from typing import Any

import pytest

from bridge.core.ids import ParticipantId, VendorId
from bridge.participants.model import Participant
from bridge.storage.database import Database
from bridge.vendors.model import Declared, Stars
from tests.bridge.conversations.features import TENANT
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import (
    event,
    party,
    plan_completed,
    review_created,
    user_deleted,
    user_updated,
    vendor,
    vendor_selected,
    vendor_status,
    vendor_updated,
)
from tests.bridge.platform.test_vendors_and_people import CHEF, anna, at, chef, tell

NO_VENDOR = "not_found: There is no vendor v-1. "


@pytest.fixture
def platform(database: Database) -> Platform:
    return Platform(database)


async def bodies(platform: Platform) -> list[Any]:
    rows = await platform.features.database.fetch("SELECT body FROM inbox ORDER BY seq")
    return [row["body"] for row in rows]


async def test_what_was_said_of_a_person_before_they_are_known_holds(platform: Platform) -> None:
    news = user_updated(name="Anna Berg", mxid="@berg:example.org")
    await tell(platform, at(9, news))
    assert await platform.states() == ["parked"]
    await tell(platform, at(1, vendor_selected()))
    assert await anna(platform) == Participant(
        tenant_id=TENANT,
        participant_id=ParticipantId("u-anna"),
        name="Anna Berg",
        mxid="@berg:example.org",
        avatar_url="mxc://example.org/a1",
    )
    assert await platform.states() == ["done", "done"]


async def test_what_was_said_of_a_vendor_before_they_are_known_holds(platform: Platform) -> None:
    await tell(
        platform,
        vendor_status("away"),
        review_created(4),
        vendor_updated(specialties=["cakes"]),
        plan_completed(),
    )
    known = await chef(platform)
    assert (known.declared, known.specialties) == (Declared(status="away"), ("cakes",))
    stars = await platform.features.rating_store.stars(platform.features.database, TENANT, [CHEF])
    assert stars == {CHEF: Stars(4.0, 1)}
    assert await platform.states() == ["done"] * 4


async def test_a_review_waits_for_the_two_to_meet(platform: Platform) -> None:
    await tell(platform, vendor_updated(business_name="Sweet Bites"), review_created(4))
    assert await platform.states() == ["done", "parked"]
    await tell(platform, vendor_selected())
    assert await platform.states() == ["done"] * 3
    assert await platform.failures() == []


async def test_of_strangers_nothing_becomes_known_and_nothing_is_kept(platform: Platform) -> None:
    await tell(platform, user_updated(name="Anna Berg"))
    assert b"Anna Berg" not in (await bodies(platform))[0]
    await platform.strangers.do_due()
    assert await platform.states() == ["parked"], "not yet"
    await platform.tire()
    (row,) = await platform.features.database.fetch("SELECT state, body, failure FROM inbox")
    assert (row["state"], row["body"], row["failure"]) == ("done", None, "u-anna takes part in nothing")
    for table in ("participants", "platform_told"):
        assert await platform.features.database.fetch(f"SELECT * FROM {table}") == []


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (vendor_status("away"), NO_VENDOR),
        (review_created(), NO_VENDOR),
        (vendor_updated(specialties=["cakes"]), NO_VENDOR),
    ],
)
async def test_what_is_said_of_a_vendor_who_stays_unknown_is_for_a_person_to_see(
    platform: Platform, sent: dict[str, Any], reason: str
) -> None:
    await tell(platform, sent)
    assert await platform.states() == ["parked"]
    await platform.tire()
    (failure,) = await platform.failures()
    assert failure.startswith(reason)
    assert await platform.features.database.fetch("SELECT * FROM platform_told") == [], "it said nothing yet"


async def test_who_never_met_a_vendor_does_not_rate_them(platform: Platform) -> None:
    stranger = review_created()
    stranger["data"]["host_id"] = "u-mallory"
    await tell(platform, vendor_selected(), stranger)
    assert await platform.states() == ["done", "parked"], "they may yet be found to have met"
    await platform.tire()
    (failure,) = await platform.failures()
    assert failure.startswith("no_conversation: ")
    ratings = platform.features.rating_store
    assert await ratings.stars(platform.features.database, TENANT, [CHEF]) == {}


@pytest.mark.parametrize("in_vain", [False, True])
async def test_who_asks_to_be_erased_leaves_no_news_behind(platform: Platform, in_vain: bool) -> None:
    deleted, of_another = user_deleted("v-1"), user_updated(name="Anna Berg")
    await tell(platform, vendor_status("away"), vendor_updated(email="kitchen@sweet.example"))
    if in_vain:
        await platform.tire()
    await tell(platform, of_another, deleted)
    assert await platform.states() == ["done", "done", "parked", "done"]
    assert [body is None for body in await bodies(platform)] == [True, True, False, True]
    await tell(platform, vendor_selected())
    found = await platform.features.vendor_store.get(platform.features.database, TENANT, VendorId("v-1"))
    assert found is None


async def test_nobody_becomes_known_unseen(platform: Platform) -> None:
    """Each is looked for while, in another lane, an event names them."""
    people = [ParticipantId(f"u-{number}") for number in range(20)]
    for who in people:
        named = party() | {"id": f"p-{who}", "hosts": [{"id": who, "name": "Anna"}]}
        introduced = event("vendor.selected", {"party": named, "vendor": vendor(f"v-{who}")})
        await platform.accept(
            at(9, event("user.updated", {"user_id": who, "name": "Berg"})), event_id=f"{who}-1"
        )
        await platform.accept(at(1, introduced), event_id=f"{who}-2")
    await platform.apply()
    assert set(await platform.states()) == {"done"}
    for who in people:
        one = await platform.features.participants.get(platform.features.database, TENANT, who)
        assert one is not None
        assert one.name == "Berg"
