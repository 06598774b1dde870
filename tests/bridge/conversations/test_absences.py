"""Who saw which messages: those that were said while they were there, whoever came, went, was blocked, on both
databases."""

import asyncio
from importlib.resources import files
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.conversations.absence_store import seen_by, seen_by_those_away, was_ever_away
from bridge.conversations.absences import ALL, LAST, Seen, Span, was_there
from bridge.conversations.model import Away, Conversation
from bridge.conversations.rules import GONE
from bridge.core.ids import ParticipantId, TenantId
from bridge.storage.database import Database
from bridge.storage.migrate import split
from tests.bridge.conversations.features import Features, person

PEOPLE = ("anna", "ben", "cleo", "chef")
tenants = count()
SQL = f"""
SELECT m.position FROM messages m WHERE m.conversation_id = $1
    AND {was_there(conversation="m.conversation_id", person="$2", position="m.position")} ORDER BY m.position
"""

# (absences, what is left of all, since when)
TABLE: list[tuple[list[Span], list[Span], int]] = [
    ([], [Span(0)], 0),
    ([Span(0, 5)], [Span(5)], 5),  # added later
    ([Span(3, 5)], [Span(0, 3), Span(5)], 0),  # blocked for a while
    ([Span(0, 5), Span(5, 7)], [Span(7)], 5),  # added while blocked
    ([Span(0, 5), Span(8)], [Span(5, 8)], 5),  # away for now
    ([Span(0)], [], LAST),  # never there
]


@pytest.mark.parametrize(("absences", "spans", "since"), TABLE)
def test_what_is_left_of_all(absences: list[Span], spans: list[Span], since: int) -> None:
    seen = Seen(tuple(absences))
    assert (seen.spans(), seen.since) == (spans, since)
    for position in range(1, 12):
        assert seen.includes(position) == any(one.after < position <= one.until for one in spans)


class Talk:
    """A conversation of Anna's with the chef, and whom each message reached, counted by hand."""

    def __init__(self, features: Features, tenant: TenantId) -> None:
        self.features = features
        self.tenant = tenant
        self.conversation: Conversation
        self.away: dict[str, Away] = {}
        self.members = {"anna", "chef"}
        self.blocked = False
        self.reached: list[set[str]] = []

    def people(self, *names: str) -> list[Any]:
        return [person(one, one, tenant=self.tenant) for one in names]

    async def open(self, *hosts: str) -> None:
        self.conversation = await self.features.open(
            tenant=self.tenant, hosts=self.people("anna", *hosts), vendor=self.people("chef")[0]
        )
        self.features.clock.advance(1)

    async def say(self) -> None:
        async with self.features.database.transaction() as tx:
            await self.features.messages.announce(tx, self.conversation, text="News")
        self.reached.append({one for one in self.members if one not in self.away})

    async def take(self, move: str, who: str) -> None:
        changes, conversations = self.features.conversation_changes, self.features.conversations
        here, whom = self.conversation, ParticipantId(who)
        if move == "come":
            await self.open(*({who} - {"anna", "chef"}))
            self.members.add(who)
            for one in ("anna", "chef", who):  # whoever opens it names those, and they come back
                if self.away.get(one) != "blocked":
                    self.away.pop(one, None)
            if self.blocked and "chef" not in self.away:
                self.away["chef"] = "blocked"
            return
        async with self.features.database.transaction() as tx:
            match move:
                case "leave" if who in self.members and self.away.get(who) not in GONE:
                    await changes.leave(tx, here, who=whom)
                    self.away[who] = "left"
                case "decline" | "kick" if who in self.members and who not in self.away:
                    away: Away = "declined" if move == "decline" else "removed"
                    await conversations.went(tx, here.conversation_id, whom, away)
                    self.away[who] = away
                case "join" if who in self.members and not (self.blocked and who == "chef"):
                    await conversations.came(tx, here.conversation_id, whom)
                    if self.away.get(who) not in ("blocked", "removed"):
                        self.away.pop(who, None)
                case "block" if not self.blocked:
                    await changes.act(tx, here, "block", asking=None, side="vendor")
                    self.blocked = True
                    if "chef" not in self.away:
                        self.away["chef"] = "blocked"
                case "reopen":
                    await changes.act(tx, here, "reopen", asking=None)
                    self.blocked = False
                    if self.away.get("chef") == "blocked":
                        del self.away["chef"]


@pytest.fixture
def features(database: Database) -> Features:
    return Features(database)


MOVES = st.lists(
    st.tuples(
        st.sampled_from(("say", "say", "come", "leave", "decline", "kick", "join", "block", "reopen")),
        st.sampled_from(PEOPLE),
    ),
    max_size=20,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
async def test_each_sees_what_was_said_while_they_were_there(
    features: Features, moves: list[tuple[str, str]]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 9: no access without right"""
    talk = Talk(features, TenantId(f"t{next(tenants)}"))
    await talk.open()
    for move, who in moves:
        await (talk.say() if move == "say" else talk.take(move, who))
    database, here = features.database, talk.conversation.conversation_id
    said = [one.position for one in await features.history(talk.conversation)]
    not_always = await seen_by_those_away(database, here)
    for who in sorted(talk.members):
        whom = ParticipantId(who)
        wanted = [place for place, to in zip(said, talk.reached, strict=True) if who in to]
        seen = await seen_by(database, here, whom)
        assert [place for place in said if seen.includes(place)] == wanted
        assert [row["position"] for row in await database.fetch(SQL, here, whom)] == wanted
        assert not_always.get(whom, ALL) == seen or seen == ALL
        assert await was_ever_away(database, [here], whom) == bool(seen.absences)
        lasting = [one for one in seen.absences if one.until == LAST]
        assert bool(lasting) == (who in talk.away)


async def test_who_was_always_there_leaves_no_trace(features: Features) -> None:
    """What most people are costs nothing."""
    talk = Talk(features, TenantId("t"))
    await talk.open()
    await talk.say()
    await talk.open()
    await talk.take("leave", "chef")
    await talk.take("come", "chef")  # nothing was said meanwhile
    assert await features.database.fetch("SELECT * FROM absences") == []


async def test_an_account_that_is_linked_and_unlinked_changes_nothing(features: Features) -> None:
    talk = Talk(features, TenantId("t"))
    await talk.open()
    await talk.say()
    async with features.database.transaction() as tx:
        await features.accounts.link(tx, talk.tenant, ParticipantId("chef"), "@chef:example.org")
    await talk.say()
    await talk.take("join", "chef")
    async with features.database.transaction() as tx:
        await features.accounts.unlink(tx, talk.tenant, ParticipantId("chef"))
    assert await features.database.fetch("SELECT * FROM absences") == []


async def test_people_come_and_go_while_others_talk(features: Features) -> None:
    """At once: each message is on one side of their coming, and the same for every look."""
    talk = Talk(features, TenantId("t"))
    await talk.open()
    await talk.say()
    await asyncio.gather(
        *(talk.say() for _ in range(5)),
        talk.take("come", "ben"),
        *(talk.say() for _ in range(5)),
        talk.take("block", "chef"),
        *(talk.say() for _ in range(5)),
    )
    here = talk.conversation.conversation_id
    said = [one.position for one in await features.history(talk.conversation)]
    assert len(said) == 16
    for who, sees_first in (("ben", False), ("chef", True)):
        seen = await seen_by(features.database, here, ParticipantId(who))
        told = [seen.includes(place) for place in said]
        assert told[0] is sees_first
        assert sum(one != other for one, other in pairwise(told)) <= 1


async def test_what_is_certain_of_the_past_is_as_if_it_had_been_noted(features: Features) -> None:
    talk = Talk(features, TenantId("t"))
    await talk.open()
    await talk.say()
    await talk.say()
    features.clock.advance(1_000)
    await talk.take("come", "ben")
    anna = await features.conversation_store.member(
        features.database, talk.conversation.conversation_id, ParticipantId("anna")
    )
    async with (
        features.database.transaction() as tx
    ):  # of a homeserver whose clock is behind: it says nothing certain
        await features.messages.receive(
            tx, talk.conversation, sender=anna, text="Hi", origin_id="$1", sent_at=features.clock.now() - 500
        )
    await talk.take("leave", "chef")
    noted = (await features.everything())["absences"]
    assert len(noted) == 2
    migration = files("bridge.storage") / "migrations" / "0050_absences.sql"
    fill = [one for one in split(migration.read_text()) if one.startswith("INSERT INTO absences")]
    async with features.database.transaction() as tx:
        await tx.execute("DELETE FROM absences")
        for one in fill:
            await tx.execute(one)
    assert (await features.everything())["absences"] == noted
