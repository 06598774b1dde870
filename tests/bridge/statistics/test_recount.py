"""The figures against a recount by somebody who takes every message in hand."""

import asyncio
import statistics
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.ids import ParticipantId
from bridge.messages.model import SenderType
from bridge.statistics import service
from bridge.statistics.rules import Fact, Tally
from bridge.statistics.service import Statistics
from bridge.statistics.store import StatisticsStore
from tests.bridge.search.talk import Talk
from tests.databases import quick_database
from tests.examples import examples

HOUR = 3_600_000
DAY = 24 * HOUR

steps = st.lists(
    st.tuples(
        st.sampled_from(["anna", "chef", "system", "client"]),
        st.sampled_from([0, 1_000, HOUR, 30 * HOUR]),  # passes before it
        st.sampled_from(["kept", "edited", "deleted"]),
    ),
    max_size=14,
)
Step = tuple[str, int, str]


async def story(told: list[Step], start: int | None, end: int | None) -> None:
    async with quick_database() as database:
        talk = Talk(database)
        conversation = await talk.open()
        beginning = talk.clock.now()
        said: list[tuple[str, int, str]] = []
        for number, (who, pause, fate) in enumerate(told):
            talk.clock.advance(pause)
            if who == "system":
                async with database.transaction() as tx:
                    message_id = await talk.service.announce(tx, conversation, text="Booked.")
            elif who == "client":
                await talk.hear(conversation, "Hello", origin_id=f"${number}", by="@somebody:x")
                history = await talk.messages.newest(database, conversation.conversation_id, limit=1)
                message_id = history[0].message_id
            else:
                message_id = await talk.say(conversation, "Hello", by=who)
            if fate == "deleted":
                await talk.delete(message_id)
            elif fate == "edited" and who in ("anna", "chef"):
                await talk.edit(message_id, "Hello!")
            else:
                fate = "kept"
            said.append((who, talk.clock.now(), fate))
        span = (
            None if start is None else beginning + start,
            None if end is None else beginning + end,
        )
        tally = await Statistics(StatisticsStore()).of(
            database, conversation.conversation_id, start=span[0], end=span[1]
        )
        within = [
            one
            for one in said
            if (span[0] is None or one[1] >= span[0]) and (span[1] is None or one[1] < span[1])
        ]
        check(tally, within)


def check(tally: Tally, said: list[tuple[str, int, str]]) -> None:
    assert tally.total == len(said)
    assert tally.edited == sum(fate == "edited" for *_, fate in said)
    assert tally.deleted == sum(fate == "deleted" for *_, fate in said)
    days = Counter(datetime.fromtimestamp(at / 1000, UTC).date() for _, at, _ in said)
    assert tally.by_day == days
    for person in ("anna", "chef"):
        times = [at for who, at, _ in said if who == person]
        assert tally.by_sender[ParticipantId(person)] == len(times)
        assert tally.last_of.get(ParticipantId(person)) == (max(times) if times else None)
    # Runs of one side: each run but the first is an answer to the one before, from whose first message on it waited.
    talk = [
        ("vendor" if who == "chef" else "user", at)
        for who, at, fate in said
        if who != "system" and fate != "deleted"
    ]
    runs: list[tuple[str, int]] = []
    for side, at in talk:
        if not runs or runs[-1][0] != side:
            runs.append((side, at))
    for side in ("user", "vendor"):
        times = [after - before for (_, before), (answers, after) in pairwise(runs) if answers == side]
        answered = tally.answers[side]  # type: ignore[index]
        assert answered.times == times
        assert answered.average == (round(sum(times) / len(times)) if times else None)
        assert answered.median == (round(statistics.median(times)) if times else None)
        assert answered.first == (times[0] if times else None)


@given(told=steps, start=st.none() | st.integers(0, 3 * DAY), end=st.none() | st.integers(0, 3 * DAY))
@settings(max_examples=examples(100))
def test_the_figures_are_those_of_a_recount(told: list[Step], start: int | None, end: int | None) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 14: analytics stay consistent with the messages"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "AT_ONCE", 3)
        asyncio.run(story(told, start, end))


def test_what_stands_behind_what_it_answers_was_answered_at_once() -> None:
    """A client's clock, or an outage, may tell a time before it."""
    tally = Tally()
    for sender_type, at in (("user", 5_000), ("vendor", 4_000)):
        tally.add(fact(sender_type, at))  # type: ignore[arg-type]
    assert tally.answers["vendor"].times == [0]


def fact(sender_type: SenderType, at: int) -> Fact:
    return Fact(sender_id=None, sender_type=sender_type, created_at=at, is_edited=False, is_deleted=False)
