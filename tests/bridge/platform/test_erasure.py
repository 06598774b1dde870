"""Who asked to be erased takes part in nothing any more, whatever the platform tells of them before or after."""

import asyncio
from typing import Any

import pytest

from bridge.core.ids import ParticipantId, PartyId, VendorId
from bridge.delivery.dispatcher import Handler
from bridge.delivery.queue import Item
from bridge.messages.held import Document
from bridge.storage.database import Database
from tests.bridge.bookings.examples import read_calendar
from tests.bridge.conversations.features import TENANT
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import (
    booking_told,
    event,
    host,
    message_send,
    party,
    payment_received,
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


BOOKING = [booking_told(kind) for kind in ("requested", "confirmed", "changed", "cancelled", "completed")]
LATER = [
    message_send(),
    review_created(),
    review_created(party_id="p-1"),
    user_updated(name="Anna Berg"),
    event("lead.created", {"lead_id": "l-1", "title": "A cake", "host": host(), "vendor": vendor()}),
    vendor_selected(),
    *BOOKING,
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


ERASED = pytest.mark.parametrize("erased", [["v-1"], ["u-anna"], ["v-1", "u-anna"]], ids=" and ".join)
OF_PEOPLE = (
    *("participants", "conversation_members", "conversation_parties", "party_hosts", "vendors"),
    *("leads", "vendor_ratings", "platform_told", "erasures"),
)


def dated(sent: dict[str, Any], hour: int, **changed: object) -> dict[str, Any]:
    """`hour`: of its day, when it happened."""
    told = sent | {"time": f"2027-01-01T{hour}:00:00Z"}
    return told | {"data": told["data"] | {"booking": told["data"]["booking"] | changed}} if changed else told


# What was booked; what is told of it later; the card then; what is said besides; what calendars are told.
GOES_ON: list[tuple[str, dict[str, Any], str, str, str | None]] = [
    (
        "requested",
        booking_told("confirmed"),
        "Booking confirmed: Catering",
        "Booking confirmed: Catering",
        "PUBLISH",
    ),
    (
        "confirmed",
        dated(booking_told("changed"), 11, service="Lunch"),
        "Booking confirmed: Lunch",
        "Booking changed: Lunch",
        "PUBLISH",
    ),
    (
        "confirmed",
        booking_told("completed"),
        "Booking completed: Catering",
        "Booking completed: Catering",
        None,
    ),
    (
        "confirmed",
        booking_told("cancelled"),
        "Booking cancelled: Catering",
        "Booking cancelled: Catering",
        "CANCEL",
    ),
    (
        "confirmed",
        payment_received(),
        "Booking confirmed: Catering",
        "Payment received: Catering",
        None,
    ),
]


@ERASED
@pytest.mark.parametrize(
    ("booked", "told", "card", "notice", "method"), GOES_ON, ids=[row[1]["type"] for row in GOES_ON]
)
async def test_of_what_is_booked_the_others_still_hear(
    platform: Platform,
    erased: list[str],
    booked: str,
    told: dict[str, Any],
    card: str,
    notice: str,
    method: str | None,
) -> None:
    await tell(platform, dated(booking_told(booked), 10), *map(user_deleted, erased))
    features = platform.features
    (conversation,) = await features.conversation_store.of_party(features.database, TENANT, PartyId("p-1"))
    said = len(await features.history(conversation))
    before, heard = await features.everything(), len(await features.told())
    await tell(platform, dated(told, 11))
    assert await remarks(platform) == [None] * (2 + len(erased))
    shown, *others = await features.history(conversation)
    new = others[said - 1 :]
    assert shown.text.splitlines()[0] == card
    assert new[0].text.splitlines()[0] == notice
    assert {message.sender_id for message in (shown, *new)} == {None}
    files = [read_calendar(one.held.text) for one in new if isinstance(one.held, Document)]
    assert [file["method"] for file in files] == ([] if method is None else [method])
    for file in files:
        (entry,) = file.walk("VEVENT")
        assert entry["summary"] == shown.text.splitlines()[0].partition(": ")[2]  # and no name
    after = await features.everything()
    assert {table: after[table] for table in OF_PEOPLE} == {table: before[table] for table in OF_PEOPLE}
    assert len(after["conversations"]) == 1
    assert {name for name, _ in (await features.told())[heard:]} <= {"MessagePosted", "MessageEdited"}


@ERASED
async def test_of_a_booking_that_nobody_knew_nothing_is_said(platform: Platform, erased: list[str]) -> None:
    """A payment counts, as it would before its booking."""
    await tell(platform, vendor_selected(), *map(user_deleted, erased), payment_received())
    before, settled = await platform.features.everything(), len(await remarks(platform))
    await tell(platform, *BOOKING)
    assert await platform.features.everything() == before
    (reason,) = {*(await remarks(platform))[settled:]}
    assert reason in {f"{who} asked to be erased" for who in erased}
    assert await platform.texts() == []


@ERASED
async def test_a_booking_whose_conversation_is_no_more_ends_there(
    platform: Platform, erased: list[str]
) -> None:
    await tell(platform, booking_told("confirmed"))
    features = platform.features
    (conversation,) = await features.conversation_store.of_party(features.database, TENANT, PartyId("p-1"))
    async with features.database.transaction() as tx:
        await features.conversation_changes.delete(tx, conversation, asking=None)
    await tell(platform, *map(user_deleted, erased))
    before = await features.everything()
    await tell(platform, booking_told("cancelled"))
    assert await features.everything() == before
    assert (await remarks(platform))[-1] in {f"{who} asked to be erased" for who in erased}


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
