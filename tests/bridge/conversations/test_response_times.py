"""How fast each side answers, counted message by message: as by looking at all of them, and as the migration."""

from collections.abc import Sequence
from importlib.resources import files
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.conversations.model import Role
from bridge.conversations.response_times import Answers, ResponseTimes, ResponseTimeStore, said
from bridge.core.ids import ParticipantId
from bridge.storage.database import Database
from bridge.storage.migrate import split
from tests.bridge.conversations.features import Features

Said = tuple[Role, int]


def counted(messages: Sequence[Said]) -> ResponseTimes | None:
    times: ResponseTimes | None = None
    for role, at in messages:
        times = said(times, role, at=at)
    return times


# (who said something when, the average of each who answered, who waits since when)
TABLE: list[tuple[list[Said], dict[Role, int], Said]] = [
    ([("host", 10)], {}, ("host", 10)),
    ([("host", 10), ("host", 20)], {}, ("host", 10)),  # the first that waits counts
    ([("host", 10), ("host", 20), ("vendor", 40)], {"vendor": 30}, ("vendor", 40)),
    ([("host", 10), ("vendor", 40), ("vendor", 50), ("host", 60)], {"vendor": 30, "host": 20}, ("host", 60)),
    ([("host", 0), ("vendor", 10), ("host", 10), ("vendor", 40)], {"vendor": 20, "host": 0}, ("vendor", 40)),
    ([("host", 50), ("vendor", 40)], {"vendor": 0}, ("vendor", 40)),  # a clock that is behind
    ([("vendor", 5), ("staff", 15)], {"staff": 10}, ("staff", 15)),
]


@pytest.mark.parametrize(("messages", "averages", "waiting"), TABLE)
def test_who_answered_how_fast(messages: list[Said], averages: dict[Role, int], waiting: Said) -> None:
    times = counted(messages)
    assert times is not None
    assert {role: answers.average for role, answers in times.of.items()} == averages
    assert (times.waiting, times.waiting_since) == waiting


def test_nobody_who_has_not_answered_has_an_average() -> None:
    assert Answers().average is None


@given(st.lists(st.tuples(st.sampled_from(get_args(Role)), st.integers(0, 100)), min_size=1, max_size=12))
def test_every_turn_is_an_answer_but_the_first(messages: list[Said]) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 14: leads, profiles, bookings, reviews, analytics stay
    consistent with the messages"""
    turns = [one for number, one in enumerate(messages) if not number or messages[number - 1][0] != one[0]]
    times = counted(messages)
    assert times is not None
    assert sum(answers.count for answers in times.of.values()) == len(turns) - 1
    assert (times.waiting, times.waiting_since) == turns[-1]


async def test_messages_are_counted_as_the_migration_counts_what_was_there(database: Database) -> None:
    features = Features(database)
    here = await features.open()
    for wait, sender in ((0, "anna"), (5, "anna"), (7, "chef"), (11, "anna"), (1, "chef"), (2, "chef")):
        features.clock.advance(wait)
        await features.post(here, text="Hello", sender=sender)
    async with database.transaction() as tx:
        await features.messages.say(tx, here, text="I am Festimo")
        member = await features.conversation_store.member(tx, here.conversation_id, ParticipantId("anna"))
        later = features.clock.now() + 9_000
        for _ in range(2):  # the second is the same one again
            await features.messages.receive(tx, here, sender=member, text="Hi", origin_id="$1", sent_at=later)
    store = ResponseTimeStore()
    kept = (await store.of(database, [here.conversation_id]))[here.conversation_id]
    now = features.clock.now()
    assert kept == ResponseTimes("host", now, {"vendor": Answers(2, 13), "host": Answers(2, 13)})
    migration = files("bridge.storage") / "migrations" / "0025_conversation_rules.sql"
    (fill,) = [one for one in split(migration.read_text()) if one.startswith("INSERT INTO response_times")]
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM response_times")
        await tx.execute(fill)
    assert (await store.of(database, [here.conversation_id]))[here.conversation_id] == kept
