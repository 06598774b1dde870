"""Of each field of a person the newest news holds, in whatever order it is applied."""

import asyncio
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.ids import ParticipantId, VendorId
from bridge.storage.database import Database
from bridge.storage.migrate import split
from tests.bridge.conversations.features import TENANT
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import (
    booking_told,
    event,
    host,
    party,
    user_updated,
    vendor_selected,
    vendor_status,
    vendor_updated,
)
from tests.bridge.platform.test_vendors_and_people import anna, at, chef, tell
from tests.databases import quick_database
from tests.examples import examples

MXIDS = {
    "u-anna": ["@anna:example.org", "@berg:example.org"],
    "v-1": ["@chef:example.org", "@cook:example.org"],
}
AVATARS = ["mxc://example.org/a1", "mxc://example.org/a2"]
NAMES = ["Anna", "Sweet Bites", "Berg & Bites"]
TYPES = ["caterer", "baker"]


@pytest.fixture
def platform(database: Database) -> Platform:
    return Platform(database)


async def test_what_a_booking_called_them_earlier_they_are_not_called_again(platform: Platform) -> None:
    def booked(name: str, mxid: str) -> dict[str, Any]:
        told = booking_told("changed")
        told["data"] |= {"party": party() | {"hosts": [host() | {"name": name, "mxid": mxid}]}}
        return told

    await tell(platform, at(1, vendor_selected()), at(5, booked("Anna Berg", "@berg:example.org")))
    await tell(platform, at(3, booked("Anna B.", "@b:example.org")))
    assert ((await anna(platform)).name, (await anna(platform)).mxid) == ("Anna Berg", "@berg:example.org")


async def test_news_of_one_thing_leaves_later_news_of_another_as_it_is(platform: Platform) -> None:
    await tell(platform, at(1, vendor_selected()), at(5, user_updated(name="Anna Berg")))
    await tell(platform, at(3, user_updated(name="Anna B.", mxid=None)))
    assert ((await anna(platform)).name, (await anna(platform)).mxid) == ("Anna Berg", None)
    await tell(platform, at(2, vendor_updated(business_name="Sour", email="old@sweet.example")))
    await tell(platform, at(4, vendor_updated(specialties=["cakes"])))
    await tell(platform, at(3, vendor_updated(specialties=["pies"], email="new@sweet.example")))
    assert (await chef(platform)).specialties == ("cakes",)
    private = await platform.features.vendor_store.private(
        platform.features.database, TENANT, VendorId("v-1")
    )
    assert private.email == "new@sweet.example"


async def test_what_has_no_time_was_said_when_it_was_accepted(platform: Platform) -> None:
    def now(sent: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in sent.items() if name != "time"}

    await tell(platform, now(user_updated(name="Anna B.")), now(vendor_selected()))
    assert (await anna(platform)).name == "Anna", "it waited, and was said before"


async def test_what_was_told_before_fields_were_told_apart_holds_for_each(platform: Platform) -> None:
    await tell(platform, at(1, vendor_selected()), at(2, user_updated(name="Anna Berg")))
    migration = files("bridge.storage") / "migrations" / "0047_strangers.sql"
    async with platform.features.database.transaction() as tx:
        told_at = await tx.fetch_value("SELECT MAX(told_at) FROM platform_told")
        await tx.execute("DELETE FROM platform_told")
        for subject in ("person/u-anna", "availability/v-1"):
            await tx.execute("INSERT INTO platform_told VALUES ($1, $2, $3)", TENANT, subject, told_at)
        for statement in split(migration.read_text()):
            if "platform_told" in statement:
                await tx.execute(statement)
        rows = await tx.fetch("SELECT subject FROM platform_told")
    subjects = {row["subject"] for row in rows}
    assert "person/u-anna" not in subjects
    assert {"person/u-anna/name", "person/u-anna/mxid", "availability/v-1"} < subjects
    await tell(platform, at(1, user_updated(name="Anna B.", mxid=None)))
    assert ((await anna(platform)).name, (await anna(platform)).mxid) == ("Anna Berg", "@anna:example.org")


@dataclass(frozen=True)
class News:
    """What is sent, and what it says of whom."""

    sent: dict[str, Any]
    says: dict[str, dict[str, Any]]


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def namings(draw: st.DrawFn) -> News:
    people = {}
    for who, more in (("u-anna", {}), ("v-1", {"vendor_type": st.sampled_from(TYPES)})):
        rest = maybe(mxid=st.sampled_from(MXIDS[who]), avatar_url=st.sampled_from(AVATARS), **more)
        people[who] = {"name": draw(st.sampled_from(NAMES))} | draw(rest)
    offers = {"id": "v-1"} | people["v-1"]
    told = party() | {"hosts": [{"id": "u-anna"} | people["u-anna"]]}
    if draw(st.booleans()):
        return News(event("vendor.selected", {"party": told, "vendor": offers}), people)
    booked = booking_told("changed")
    return News(booked | {"data": booked["data"] | {"party": told, "vendor": offers}}, people)


@st.composite
def user_news(draw: st.DrawFn) -> News:
    who = draw(st.sampled_from(["u-anna", "v-1"]))
    says = draw(
        maybe(
            name=st.sampled_from(NAMES),
            mxid=st.sampled_from([*MXIDS[who], None]),
            avatar_url=st.sampled_from([*AVATARS, None]),
        )
    )
    return News(event("user.updated", {"user_id": who} | says), {who: says})


@st.composite
def vendor_news(draw: st.DrawFn) -> News:
    says = draw(
        maybe(
            name=st.sampled_from(NAMES),
            vendor_type=st.sampled_from([*TYPES, None]),
            avatar_url=st.sampled_from([*AVATARS, None]),
        )
    )
    return News(
        vendor_updated(
            **{"business_name" if name == "name" else name: value for name, value in says.items()}
        ),
        {"v-1": says},
    )


statuses = st.sampled_from(["away", "busy", None]).map(
    lambda status: News(vendor_status(status), {"v-1": {"status": status}})
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[News], list[int]]:
    """What the platform says, one after the other; and in which order it is applied."""
    news = draw(st.lists(st.one_of(namings(), user_news(), vendor_news(), statuses), max_size=6))
    news.insert(draw(st.integers(0, len(news))), draw(namings()))
    return news, draw(st.permutations(range(len(news))))


async def shown(platform: Platform) -> dict[str, dict[str, Any]]:
    found = {}
    for who in ("u-anna", "v-1"):
        one = await platform.features.participants.get(platform.features.database, TENANT, ParticipantId(who))
        assert one is not None
        found[who] = {name: getattr(one, name) for name in ("name", "mxid", "avatar_url", "vendor_type")}
    declared = (await chef(platform)).declared
    found["v-1"]["status"] = None if declared is None else declared.status
    return found


async def play(news: list[News], order: list[int]) -> None:
    expected: dict[str, dict[str, Any]] = {
        "u-anna": dict.fromkeys(("mxid", "avatar_url", "vendor_type")),
        "v-1": dict.fromkeys(("mxid", "avatar_url", "vendor_type", "status")),
    }
    for one in news:
        for who, says in one.says.items():
            expected[who] |= says
    async with quick_database() as database:
        platform = Platform(database)
        for number in order:
            await platform.accept(at(number, news[number].sent), event_id=f"e-{number}")
            await platform.apply_at_once()
        assert await platform.states() == ["done"] * len(news)
        assert await shown(platform) == expected


@given(story=stories())
@settings(max_examples=examples(100))
def test_in_whatever_order_news_is_applied_the_newest_holds(story: tuple[list[News], list[int]]) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 14: profiles stay consistent with what was said of them
    last, whoever is known already and whatever is applied first"""
    asyncio.run(play(*story))
