"""What somebody does, drawn by hypothesis, and what is unread counted by hand from all that was said."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.ids import MessageId, ParticipantId
from bridge.signals.model import NO_THREAD, Part
from tests.bridge.conversations.features import TENANT, person
from tests.bridge.signals.test_reads import PEOPLE, Reading
from tests.databases import quick_database
from tests.examples import examples


@dataclass
class Said:
    message_id: MessageId
    by: str
    to: frozenset[str]
    sent: bool
    thread: int | None = None
    deleted: bool = False


@dataclass
class Recount:
    """Plain lists of what happened: nothing here looks into the database."""

    said: list[Said] = field(default_factory=list)
    there: set[str] = field(default_factory=set)
    read_up_to: dict[tuple[str, object], int] = field(default_factory=dict)
    """By who has read, and of what: of all (None), of what stands in no thread, of the thread that a message began."""

    def unread(self, who: str) -> int:
        return sum(
            number > max(self.read_up_to.get((who, part), -1) for part in (None, part_of(one)))
            and one.by != who
            and one.sent
            and not one.deleted
            and who in one.to
            for number, one in enumerate(self.said)
        )

    def read(self, who: str, number: int, part: object = None) -> None:
        self.read_up_to[who, part] = max(self.read_up_to.get((who, part), -1), number)


def part_of(said: Said) -> object:
    return NO_THREAD if said.thread is None else said.thread


LATE = ("dora", "emil")
STEP = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(PEOPLE + LATE), st.booleans()),
    st.tuples(
        st.sampled_from(("answer", "answer in client")), st.sampled_from(PEOPLE + LATE), st.integers(0, 40)
    ),
    st.tuples(st.just("announce"), st.none(), st.none()),
    st.tuples(st.just("read"), st.sampled_from(PEOPLE + LATE), st.integers(0, 40)),
    st.tuples(
        st.sampled_from(("seen", "seen in no thread", "seen in a thread")),
        st.sampled_from(PEOPLE + LATE),
        st.integers(0, 40),
    ),
    st.tuples(st.just("delete"), st.none(), st.integers(0, 40)),
    st.tuples(st.just("arrive"), st.none(), st.integers(0, 40)),
    st.tuples(st.just("come"), st.sampled_from(("anna", "ben", *LATE)), st.none()),
    st.tuples(st.just("leave"), st.sampled_from(PEOPLE + LATE), st.none()),
)


@given(steps=st.lists(STEP, max_size=30))
@settings(max_examples=examples(100))
def test_what_is_unread_equals_a_recount(steps: list[tuple[str, str | None, int | None]]) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 3: every message is delivered, confirmed and updates
    the thread for both sides: what is unread, for whom and in total, is what a recount of all that happened says,
    deletions, threads, own messages, late comers and who leaves and comes back included."""
    asyncio.run(_compare(steps))


async def _compare(steps: list[tuple[str, str | None, int | None]]) -> None:
    async with quick_database() as database:
        reading = Reading(database)
        await reading.begin()
        recount = Recount(there=set(PEOPLE))
        for step in steps:
            await _take(reading, recount, *step)
        expected = {who: recount.unread(who) for who in recount.there}
        assert await reading.unread() == expected
        for who, count in expected.items():
            found = await reading.signals.unread.of(database, TENANT, ParticipantId(who))
            assert sum(one.count for one in found) == count


async def _take(reading: Reading, recount: Recount, what: str, who: str | None, detail: int | None) -> None:
    reading.clock.advance(1)
    said = recount.said
    if who is not None and who not in recount.there and what != "come":
        return
    there = frozenset(recount.there)
    match what:
        case "say":
            assert who is not None
            message_id = await reading.say(who, sent=bool(detail))
            said.append(Said(message_id, who, there, sent=bool(detail)))
        case "announce":
            async with reading.database.transaction() as tx:
                message_id = await reading.features.messages.announce(tx, reading.conversation, text="News")
            await reading.sent(message_id)
            said.append(Said(message_id, "", there, sent=True))
        case "come":
            assert who is not None
            recount.there |= {who, "chef"}
            await reading.features.open(hosts=[person(who, who)], vendor=person("chef", "Sweet Bites"))
        case "leave":
            assert who is not None
            recount.there.discard(who)
            async with reading.database.transaction() as tx:
                await reading.features.conversation_changes.leave(
                    tx, reading.conversation, who=ParticipantId(who)
                )
        case _ if not said:
            pass
        case "answer" | "answer in client":
            assert who is not None
            number = (detail or 0) % len(said)
            root = said[number].thread
            root = number if root is None else root
            if who not in said[root].to:
                return  # they do not know of it
            if what == "answer":
                message_id = await reading.say(who, thread=said[root].message_id)
            elif said[root].sent:
                message_id = await reading.say_in_client(who, thread=said[root].message_id)
            else:
                return  # no client has it
            said.append(Said(message_id, who, there, sent=True, thread=root))
        case "seen in no thread" | "seen in a thread":
            assert who is not None
            number = (detail or 0) % len(said)
            part = part_of(said[number]) if what == "seen in a thread" else NO_THREAD
            recount.read(who, number, part)
            seen: Part = NO_THREAD
            if isinstance(part, int):
                seen = await reading.thread(said[part].message_id)
            await reading.seen(who, said[number].message_id, part=seen)
        case "read" | "seen":
            assert who is not None
            number = (detail or 0) % len(said)
            unread = recount.unread(who)
            recount.read(who, number)
            if what == "read":
                assert await reading.read(who, said[number].message_id) == unread - recount.unread(who)
            else:
                await reading.seen(who, said[number].message_id, at=reading.clock.now())
        case "delete":
            one = said[(detail or 0) % len(said)]
            await reading.delete(one.message_id)
            one.deleted = True
        case "arrive":
            one = said[(detail or 0) % len(said)]
            await reading.sent(one.message_id)
            one.sent = True
