"""A vendor's figures, and how fast they answer, against a recount by somebody who takes every message in hand."""

import asyncio
import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.ids import MessageId, VendorId
from bridge.statistics import service
from bridge.statistics.answers import VendorAnswers
from bridge.statistics.rules import Engagement
from bridge.statistics.service import Statistics
from bridge.statistics.store import StatisticsStore
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT
from tests.bridge.search.talk import Talk
from tests.databases import quick_database
from tests.examples import examples

HOUR = 3_600_000
CHEF = VendorId("chef")
PLACES = (("p1", "chef"), ("p2", "chef"), ("p1", "florist"))
"""Party and vendor of each conversation."""

steps = st.lists(
    st.tuples(
        st.integers(0, len(PLACES) - 1),
        st.sampled_from(["host", "vendor", "system", "client"]),
        st.sampled_from([0, 1_000, HOUR, 30 * HOUR]),  # passes before it
    ),
    max_size=14,
)
# Which of what was said is deleted, and when: after so many other things were said.
deletions = st.lists(st.tuples(st.integers(0, 13), st.integers(0, 14)), max_size=4)
moments = st.none() | st.integers(0, 80 * HOUR)


@dataclass
class Said:
    place: int
    who: str
    at: int
    message_id: MessageId
    deleted: bool = False


@dataclass(frozen=True)
class Story:
    steps: list[tuple[int, str, int]]
    deletions: list[tuple[int, int]]
    closed: set[int]
    start: int | None
    end: int | None


async def tell(database: Database, story: Story) -> tuple[Talk, list[Said], int]:
    talk = Talk(database)
    talk.outbox.witness(VendorAnswers(talk.clock).heard)
    conversations = [await talk.open(party, vendor=vendor) for party, vendor in PLACES]
    beginning, said = talk.clock.now(), list[Said]()

    async def delete(now: int) -> None:
        for which, when in story.deletions:
            if when == now and which < len(said) and not said[which].deleted:
                await talk.delete(said[which].message_id)
                said[which].deleted = True

    for number, (place, who, pause) in enumerate(story.steps):
        talk.clock.advance(pause)
        conversation, vendor = conversations[place], PLACES[place][1]
        if who == "system":
            async with database.transaction() as tx:
                message_id = await talk.service.announce(tx, conversation, text="Booked.")
        elif who == "client":
            await talk.hear(conversation, "Hello", origin_id=f"${number}", by="@somebody:x")
            (newest,) = await talk.messages.newest(database, conversation.conversation_id, limit=1)
            message_id = newest.message_id
        else:
            by = vendor if who == "vendor" else "anna"
            message_id = await talk.say(conversation, "Hello", by=by)
        said.append(Said(place, who, talk.clock.now(), message_id))
        await delete(number + 1)
    for place in story.closed:
        async with database.transaction() as tx:
            closed = "UPDATE conversations SET closed_at = 1 WHERE conversation_id = $1"
            await tx.execute(closed, conversations[place].conversation_id)
    return talk, said, beginning


def answers(said: list[Said]) -> list[int]:
    """Of the vendor, in one conversation: runs of one side, each answering the one before."""
    talk = [one for one in said if one.who != "system" and not one.deleted]
    runs: list[Said] = []
    for one in talk:
        if not runs or (runs[-1].who == "vendor") != (one.who == "vendor"):
            runs.append(one)
    return [after.at - before.at for before, after in pairwise(runs) if after.who == "vendor"]


def check(figures: Engagement, said: list[Said], closed: set[int]) -> None:
    assert figures.total == len(said)
    people = [one for one in said if one.who != "system"]
    by_vendor = sum(one.who == "vendor" for one in people)
    assert (figures.by_vendor, figures.by_hosts) == (by_vendor, len(people) - by_vendor)
    assert figures.by_day == Counter(datetime.fromtimestamp(one.at / 1000, UTC).date() for one in said)
    active = {one.place for one in people}
    assert (figures.active, figures.completed) == (len(active), len(active & closed))
    assert figures.completion == (round(len(active & closed) / len(active), 4) if active else None)
    of_each = [answers([one for one in said if one.place == place]) for place in range(len(PLACES))]
    times = [time for times in of_each for time in times]
    firsts = [times[0] for times in of_each if times]
    for counted, expected in ((figures.answers, times), (figures.firsts, firsts)):
        assert sorted(counted.times) == sorted(expected)
        assert counted.average == (round(statistics.fmean(expected)) if expected else None)
        assert counted.median == (round(statistics.median(expected)) if expected else None)


async def count(story: Story) -> None:
    async with quick_database() as database:
        talk, said, beginning = await tell(database, story)
        start = None if story.start is None else beginning + story.start
        end = None if story.end is None else beginning + story.end
        figures = await Statistics(StatisticsStore()).of_vendor(database, TENANT, CHEF, start=start, end=end)
        of_chef = [one for one in said if PLACES[one.place][1] == "chef"]
        within = [
            one for one in of_chef if (start is None or one.at >= start) and (end is None or one.at < end)
        ]
        check(figures, within, story.closed)
        for vendor in ("chef", "florist"):
            places = [place for place, (_, whose) in enumerate(PLACES) if whose == vendor]
            times = [
                time for place in places for time in answers([one for one in said if one.place == place])
            ]
            shown = await VendorAnswers(talk.clock).averages(database, TENANT, [VendorId(vendor)], since=0)
            assert shown == ({VendorId(vendor): sum(times) / len(times)} if times else {})
        later = await VendorAnswers(talk.clock).averages(database, TENANT, [CHEF], since=talk.clock.now() + 1)
        assert later == {}


@given(
    told=steps,
    deleted=deletions,
    closed=st.sets(st.integers(0, len(PLACES) - 1)),
    start=moments,
    end=moments,
)
@settings(max_examples=examples(100))
def test_a_vendors_figures_are_those_of_a_recount(
    told: list[tuple[int, str, int]],
    deleted: list[tuple[int, int]],
    closed: set[int],
    start: int | None,
    end: int | None,
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 14: analytics and response times stay consistent with
    the messages, whatever is said, deleted and closed"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "AT_ONCE", 3)
        asyncio.run(count(Story(told, deleted, closed, start, end)))
