"""A search against somebody who reads every message there is."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.conversations.model import Conversation
from bridge.core.ids import MessageId, ParticipantId, TenantId
from bridge.messages.model import Kind
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT
from tests.bridge.search.talk import Talk, conversation_id_of
from tests.databases import emptied, quick_database
from tests.examples import examples

OTHER = TenantId("other")
# Forms of one word stand in one row, and no form of another does. Whoever reads needs no stemmer to know.
FAMILIES = (
    ("cake", "cakes", "CAKE", "Cakes"),
    ("flower", "flowers", "FLOWERS"),
    ("café", "cafe", "CAFE\u0301", "cafés"),
    ("Blume", "Blumen", "blumen"),
    ("Häuser", "Haus", "HÄUSER"),
    ("vegan", "VEGAN"),
    ("12", "\uff11\uff12"),
    ("straße", "STRASSE", "Strasse"),
    ("👍", "👍🏽"),
    ("🎂",),
)
FAMILY_OF = {word: number for number, family in enumerate(FAMILIES) for word in family}
PEOPLE = (("p1", "anna", "chef", TENANT), ("p2", "anna", "band", TENANT), ("p3", "bea", "chef", TENANT))
ELSEWHERE = ("p1", "anna", "chef", OTHER)

word = st.sampled_from(sorted(FAMILY_OF))
text = st.lists(word, min_size=1, max_size=5)
said = st.tuples(st.sampled_from(["say", "say", "ask"]), st.integers(0, 3), st.booleans(), text)
edited = st.tuples(st.just("edit"), st.integers(0, 20), st.booleans(), text)
deleted = st.tuples(st.just("delete"), st.integers(0, 20), st.booleans(), st.just(["-"]))
later = st.tuples(st.just("later"), st.integers(0, 20), st.booleans(), st.just(["-"]))
Action = tuple[str, int, bool, list[str]]
T = TypeVar("T")


@dataclass(slots=True)
class Said:
    message_id: MessageId
    conversation: Conversation
    sender: str
    at: int
    kind: Kind
    words: list[str] = field(default_factory=list)

    def holds(self, wanted: Sequence[str]) -> bool:
        return {FAMILY_OF[one] for one in wanted} <= {FAMILY_OF[one] for one in self.words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """`words`: none of them: whatever is said."""

    words: list[str]
    of: int | None
    person: str | None
    sender: str | None
    kind: Kind | None
    since: int | None
    until: int | None


def seldom(some: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    """Filters that are all there leave nothing to find."""
    return st.integers(0, 3).flatmap(lambda number: st.none() if number else some)


queries = st.builds(
    Query,
    words=st.lists(word, max_size=2),
    of=seldom(st.integers(0, 2)),
    person=st.none() | st.sampled_from(["anna", "bea", "chef", "band", "nobody"]),
    sender=seldom(st.sampled_from(["anna", "bea", "chef"])),
    kind=seldom(st.sampled_from(["text", "poll"])),
    since=seldom(st.integers(0, 4)),
    until=seldom(st.integers(1, 8)),
)


async def story(
    opened: AbstractAsyncContextManager[Database],
    actions: Sequence[Action],
    asked: Sequence[Query],
    pages: int,
) -> None:
    async with opened as database:
        talk = Talk(database)
        places = [await talk.open(p, host=h, vendor=v, tenant=t) for p, h, v, t in (*PEOPLE, ELSEWHERE)]
        all_said: list[Said] = []
        start = talk.clock.now()
        for action, number, by_host, words in actions:
            mine = all_said[number % len(all_said)] if all_said else None
            if action == "later":
                talk.clock.advance(1)
            elif action in ("say", "ask"):
                _, host, vendor, _ = (*PEOPLE, ELSEWHERE)[number]
                sender = host if by_host else vendor
                kind: Kind = "text" if action == "say" else "poll"
                how = talk.say if action == "say" else talk.ask
                message_id = await how(places[number], ", ".join(words), by=sender)
                all_said.append(Said(message_id, places[number], sender, talk.clock.now(), kind, words))
            elif mine is not None and action == "edit" and mine.words and mine.kind == "text":
                await talk.edit(mine.message_id, " ".join(words))
                mine.words = words
            elif mine is not None and action == "delete":
                await talk.delete(mine.message_id)
                mine.words = []
        for query in asked:
            expected = [
                one.message_id
                for one in reversed(all_said)
                if one.words
                and one.holds(query.words)
                and one.conversation.tenant_id == TENANT
                and query.of in (None, places.index(one.conversation))
                and (query.person is None or query.of is not None or query.person in people_of(one, places))
                and query.sender in (None, one.sender)
                and query.kind in (None, one.kind)
                and (query.since is None or one.at >= start + query.since)
                and (query.until is None or one.at < start + query.until)
            ]
            found = await talk.found(
                " ".join(query.words) or None,
                limit=pages,
                kind=query.kind,
                conversation_id=conversation_id_of(None if query.of is None else places[query.of]),
                participant_id=None if query.person is None else ParticipantId(query.person),
                sender_id=None if query.sender is None else ParticipantId(query.sender),
                start=None if query.since is None else start + query.since,
                end=None if query.until is None else start + query.until,
            )
            assert [message_id for message_id, _ in found] == expected, query


def people_of(one: Said, places: Sequence[Conversation]) -> tuple[str, str]:
    _, host, vendor, _ = PEOPLE[places.index(one.conversation)]
    return host, vendor


@given(
    actions=st.lists(said | said | said | edited | deleted | later, min_size=6, max_size=25),
    asked=st.lists(queries, min_size=4, max_size=8),
    pages=st.integers(1, 4),
)
@settings(max_examples=examples(100))
def test_a_search_returns_what_matches_and_only_that(
    actions: list[Action], asked: list[Query], pages: int
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 6: search returns what matches, and only that"""
    asyncio.run(story(quick_database(), actions, asked, pages))


def test_so_it_does_on_postgresql(shared_postgres: str) -> None:
    @given(
        actions=st.lists(said | said | edited | deleted | later, min_size=10, max_size=25),
        asked=st.lists(queries, min_size=5, max_size=10),
        pages=st.integers(1, 4),
    )
    @settings(max_examples=examples(10))
    def tell(actions: list[Action], asked: list[Query], pages: int) -> None:
        asyncio.run(story(emptied(shared_postgres), actions, asked, pages))

    tell()
