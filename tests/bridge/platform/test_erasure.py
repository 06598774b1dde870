"""Who asked to be erased takes part in nothing any more, whatever the platform tells of them before or after."""

import asyncio
from typing import Any

import pytest

from bridge.core.ids import ParticipantId, VendorId
from bridge.delivery.dispatcher import Handler
from bridge.delivery.queue import Item
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import (
    booking_confirmed,
    event,
    host,
    message_send,
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

ANNA = ParticipantId("u-anna")


@pytest.fixture
def platform(database: Database) -> Platform:
    return Platform(database)


async def tell(platform: Platform, *story: dict[str, Any]) -> None:
    for sent in story:
        number = await platform.features.database.fetch_value("SELECT COUNT(*) FROM inbox")
        await platform.accept(sent, event_id=f"e-{number}")
        await platform.apply()


async def remarks(platform: Platform) -> list[str | None]:
    """Of the events, in their order, why they had no effect."""
    rows = await platform.features.database.fetch("SELECT failure, state FROM inbox ORDER BY seq")
    assert {row["state"] for row in rows} == {"done"}
    return [row["failure"] for row in rows]


async def takes_part(platform: Platform, who: str) -> list[str]:
    found = await platform.features.conversation_store.of_participant(
        platform.features.database, TENANT, ParticipantId(who)
    )
    return [str(one) for one in found]


def selected_with(*hosts: str, vendor_id: str = "v-1") -> dict[str, Any]:
    people = [{"id": one, "name": one} for one in hosts]
    return event("vendor.selected", {"party": party() | {"hosts": people}, "vendor": vendor(vendor_id)})


async def test_who_asked_to_be_erased_leaves_every_conversation(platform: Platform) -> None:
    await tell(platform, plan_completed(), selected_with("u-anna", "u-ben"))
    assert len(await takes_part(platform, "u-anna")) == 2
    platform.features.listen_to_changes()
    await tell(platform, user_deleted())
    assert await takes_part(platform, "u-anna") == []
    left = [told for name, told in await platform.features.told() if name == "ParticipantLeft"]
    assert [told["participant_id"] for told in left] == ["u-anna"] * 2
    before = await platform.features.everything()
    await tell(platform, user_deleted())
    assert await platform.features.everything() == before
    assert await remarks(platform) == [None] * 4


LATER = [
    message_send(),
    review_created(),
    review_created(party_id="p-1"),
    user_updated(name="Anna Berg"),
    event("lead.created", {"lead_id": "l-1", "title": "A cake", "host": host(), "vendor": vendor()}),
    vendor_selected(),
    booking_confirmed(),
    plan_completed(),
]


@pytest.mark.parametrize("known", [True, False], ids=["known before", "never heard of"])
async def test_what_is_told_of_them_later_changes_nothing(platform: Platform, *, known: bool) -> None:
    if known:
        await tell(platform, vendor_selected(), selected_with("u-ben"))
    await tell(platform, vendor_updated(business_name="Sweet Bites"), user_deleted())
    settled, before = len(await remarks(platform)), await platform.features.everything()
    await tell(platform, *LATER)
    assert await platform.features.everything() == before
    assert (await remarks(platform))[settled:] == ["u-anna asked to be erased"] * len(LATER)
    assert await platform.features.database.fetch("SELECT 1 FROM inbox WHERE body IS NOT NULL") == []


async def test_a_vendor_who_asked_to_be_erased_is_left_out(platform: Platform) -> None:
    await tell(platform, vendor_updated(business_name="Sweet Bites"), user_deleted("v-1"))
    before = await platform.features.everything()
    await tell(platform, vendor_updated(business_name="Sour"), vendor_status("away"), vendor_selected())
    assert await platform.features.everything() == before
    assert (await remarks(platform))[2:] == ["v-1 asked to be erased"] * 3
    await tell(platform, plan_completed(), selected_with("u-anna", "u-ben", vendor_id="v-2"))
    assert await platform.conversation_titles() == ["Anna & Ben x Sweet Bites"]
    assert await takes_part(platform, "v-1") == []
    assert await platform.features.vendor_store.get(platform.features.database, TENANT, VendorId("v-2"))


async def test_a_lead_goes_on_without_them(platform: Platform) -> None:
    told = {"lead_id": "l-1", "title": "A cake", "host": {"id": "u-ben", "name": "Ben"}, "vendor": vendor()}
    await tell(platform, user_deleted(), event("lead.created", told | {"party": party()}))
    assert (await takes_part(platform, "u-anna"), len(await takes_part(platform, "u-ben"))) == ([], 1)
    assert await remarks(platform) == [None] * 2


async def test_the_other_hosts_go_on(platform: Platform) -> None:
    await tell(platform, selected_with("u-anna", "u-ben"), user_deleted(), selected_with("u-anna", "u-ben"))
    assert await takes_part(platform, "u-anna") == []
    assert len(await takes_part(platform, "u-ben")) == 1
    assert await remarks(platform) == [None] * 3


async def test_a_kill_in_between_leaves_them_erased_nowhere_or_everywhere(platform: Platform) -> None:
    """Killed before the commit: nothing of it is stored, and it is done when it is taken up again."""
    await tell(platform, plan_completed())
    before = await platform.features.everything()
    await platform.accept(user_deleted(), event_id="last")
    (item,) = [
        one for lane in await platform.desk.inbox.lanes() if (one := await platform.desk.inbox.head(lane))
    ]

    def killed_at(call: int) -> Handler:
        async def handle(item: Item) -> None:
            count = 0
            leave = platform.features.conversation_changes.leave

            async def counted(*args: Any, **more: Any) -> None:
                nonlocal count
                count += 1
                if count == call:
                    raise asyncio.CancelledError
                await leave(*args, **more)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(platform.features.conversation_changes, "leave", counted)
                await platform.features.platform.apply(item)

        return handle

    for call in (1, 2):
        with pytest.raises(asyncio.CancelledError):
            await killed_at(call)(item)
        assert await platform.features.everything() == before
    await platform.apply()
    assert await takes_part(platform, "u-anna") == []
    assert await remarks(platform) == [None, None]
