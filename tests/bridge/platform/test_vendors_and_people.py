"""What the platform says of vendors and people is so from then on; what it said before that changes nothing later."""

from itertools import permutations
from typing import Any

import pytest

from bridge.core.ids import ParticipantId, VendorId
from bridge.participants.model import Participant
from bridge.storage.database import Database
from bridge.vendors.model import Declared, Stars, Vendor
from tests.bridge.conversations.features import TENANT
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import (
    review_created,
    user_updated,
    vendor_selected,
    vendor_status,
    vendor_updated,
)
from tests.databases import one_database

CHEF, ANNA = VendorId("v-1"), ParticipantId("u-anna")


@pytest.fixture
def platform(database: Database) -> Platform:
    return Platform(database)


async def tell(platform: Platform, *story: dict[str, Any]) -> None:
    """In this order; each is applied before the next one comes."""
    for sent in story:
        number = await platform.features.database.fetch_value("SELECT COUNT(*) FROM inbox")
        await platform.accept(sent, event_id=f"e-{number}")
        await platform.apply()


async def chef(platform: Platform) -> Vendor:
    found = await platform.features.vendor_store.get(platform.features.database, TENANT, CHEF)
    assert found is not None
    return found


async def anna(platform: Platform) -> Participant:
    found = await platform.features.participants.get(platform.features.database, TENANT, ANNA)
    assert found is not None
    return found


def at(second: int, sent: dict[str, Any]) -> dict[str, Any]:
    return sent | {"time": f"2027-05-01T10:00:{second:02}Z"}


async def test_a_vendors_profile_is_what_the_platform_says(platform: Platform) -> None:
    told = vendor_updated(business_name="Sweet Bites", specialties=["cakes"], email="kitchen@sweet.example")
    await tell(platform, told, vendor_updated(specialties=["cakes", "vegan"], vendor_type="caterer"))
    vendor = await chef(platform)
    assert (vendor.business_name, vendor.vendor_type, vendor.specialties) == (
        "Sweet Bites",
        "caterer",
        ("cakes", "vegan"),
    )
    private = await platform.features.vendor_store.private(platform.features.database, TENANT, CHEF)
    assert private.email == "kitchen@sweet.example"
    assert await platform.failures() == []


async def test_a_vendors_status_holds_until_it_is_taken_back(platform: Platform) -> None:
    until = {"until": "2027-05-01T18:00:00Z"}
    await tell(platform, vendor_updated(business_name="Sweet Bites"), vendor_status("away", **until))
    assert (await chef(platform)).declared == Declared(status="away", until=1_809_194_400_000)
    await tell(platform, vendor_status(None))
    assert (await chef(platform)).declared is None


async def test_a_review_counts_once_and_its_successor_replaces_it(platform: Platform) -> None:
    await tell(platform, vendor_selected(), review_created(2, review="Dry"), review_created(4))
    stars = await platform.features.rating_store.stars(platform.features.database, TENANT, [CHEF])
    assert stars == {CHEF: Stars(4.0, 1)}


async def test_a_person_is_called_what_the_platform_calls_them(platform: Platform) -> None:
    await tell(platform, vendor_selected(), user_updated(name="Anna Berg", avatar_url=None))
    assert await anna(platform) == Participant(
        tenant_id=TENANT, participant_id=ANNA, name="Anna Berg", mxid="@anna:example.org", avatar_url=None
    )
    await tell(platform, user_updated(mxid=None))
    assert (await anna(platform)).mxid is None
    # Where somebody is a vendor, too, it is the vendor who is called so.
    await tell(platform, user_updated() | {"data": {"user_id": "v-1", "name": "Sweeter Bites"}})
    assert (await chef(platform)).business_name == "Sweeter Bites"


@one_database
@pytest.mark.parametrize("order", [*permutations(range(3))])
async def test_in_whatever_order_they_come_the_newest_holds(
    platform: Platform, order: tuple[int, int, int]
) -> None:
    await tell(platform, at(0, vendor_updated(business_name="Sweet Bites")))
    said = ["Sweeter Bites", "Sweetest Bites", "Sour Bites"]
    names = [at(second + 1, vendor_updated(business_name=name)) for second, name in enumerate(said)]
    statuses = [
        at(second + 1, vendor_status(status)) for second, status in enumerate(["away", "busy", "online"])
    ]
    for which in order:
        await tell(platform, names[which], statuses[which])
    vendor = await chef(platform)
    assert (vendor.business_name, vendor.declared) == ("Sour Bites", Declared(status="online"))
    # What names them as they were called earlier makes them nobody else again, and opens all the same.
    await tell(platform, at(2, vendor_selected()))
    assert (await chef(platform)).business_name == "Sour Bites"
    assert await platform.conversation_titles() == ["Anna & Ben x Sour Bites"]
    await tell(platform, at(9, vendor_selected()))
    assert (await chef(platform)).business_name == "Sweet Bites"
    assert await platform.failures() == []
