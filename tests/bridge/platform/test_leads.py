"""A lead opens one thread in the conversation of both, whatever comes how often, and its status follows that."""

import asyncio
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.bookings.model import Kind
from bridge.conversations.model import Action, Conversation
from bridge.core.events import Event
from bridge.core.ids import BookingId, LeadId, MessageId, ParticipantId, PartyId
from bridge.leads.events import LeadStatusChanged
from bridge.leads.input import LeadToOpen
from bridge.leads.model import Lead, Outcome, Status
from bridge.messages.labels.model import NONE, Labels
from bridge.messages.model import Message
from bridge.storage.database import Database, Reader, Transaction
from bridge.storage.migrate import split
from tests.bridge.bookings.examples import HOUR, news, payment
from tests.bridge.conversations.features import TENANT, Features, person
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import (
    booking_told,
    encode,
    event,
    host,
    party,
    payment_received,
    vendor,
    vendor_selected,
)
from tests.databases import one_database, quick_database
from tests.examples import examples

CAKE = LeadId("l-1")
TITLE = "A wedding cake"


@pytest.fixture
def platform(database: Database) -> Platform:
    return Platform(database)


def lead_created(lead_id: str = CAKE, **more: Any) -> dict[str, Any]:
    told = {"lead_id": lead_id, "title": TITLE, "host": host(), "vendor": vendor(), "party": party()}
    return event("lead.created", {name: value for name, value in (told | more).items() if value is not None})


async def tell(platform: Platform, *story: dict[str, Any]) -> None:
    for sent in story:
        number = await platform.features.database.fetch_value("SELECT COUNT(*) FROM inbox")
        await platform.accept(sent, event_id=f"e-{number}")
    await platform.apply()


async def lead(features: Features, lead_id: LeadId = CAKE) -> Lead:
    found = await features.lead_store.get(features.database, TENANT, lead_id)
    assert found is not None
    return found


async def conversation_of(features: Features, of: Lead) -> Conversation:
    found = await features.conversation_store.get(features.database, of.conversation_id)
    assert found is not None
    return found


async def said(features: Features, of: Lead) -> list[Message]:
    return await features.history(await conversation_of(features, of))


async def test_a_lead_opens_a_thread_with_what_the_host_wrote(platform: Platform) -> None:
    await tell(platform, lead_created(text="For 60 guests?", service_type="catering"))
    opened = await lead(platform.features)
    (first,) = await said(platform.features, opened)
    assert (first.message_id, first.text, first.sender_id) == (opened.message_id, "For 60 guests?", "u-anna")
    assert (first.lead_id, opened.title, opened.status) == (CAKE, TITLE, "new")
    conversation = await conversation_of(platform.features, opened)
    assert (conversation.lead_id, conversation.service_type) == (CAKE, "catering")
    assert conversation.party_id == PartyId("p-1")
    stored = await platform.features.database.fetch_one("SELECT title FROM leads")
    assert stored is not None
    assert TITLE.encode() not in stored["title"]
    assert await platform.failures() == []


async def test_a_lead_without_words_is_told_by_festimo(platform: Platform) -> None:
    await tell(platform, lead_created(party=None))
    opened = await lead(platform.features)
    (first,) = await said(platform.features, opened)
    assert (first.text, first.sender_id) == (f"New request: {TITLE}", None)
    assert (await conversation_of(platform.features, opened)).party_id is None


async def test_a_lead_that_is_told_again_has_no_second_thread(platform: Platform) -> None:
    later = lead_created(text="For 60 guests?", title="Two wedding cakes")
    await tell(platform, lead_created(text="For 60 guests?"), later, later)
    opened = await lead(platform.features)
    assert (opened.title, len(await said(platform.features, opened))) == ("Two wedding cakes", 1)
    await tell(platform, lead_created(vendor=vendor("v-2")))
    (failure,) = await platform.failures()
    assert failure.startswith("lead_elsewhere: ")


async def test_a_lead_opens_what_was_closed_and_not_what_is_blocked(platform: Platform) -> None:
    await tell(platform, vendor_selected())
    features = platform.features
    (conversation,) = await features.conversation_store.of_party(features.database, TENANT, PartyId("p-1"))

    async def act(action: Action, **more: Any) -> None:
        async with features.database.transaction() as tx:
            await features.conversation_changes.act(tx, conversation, action, asking=None, **more)

    await act("close")
    await tell(platform, lead_created(text="Still there?"))
    assert (await conversation_of(features, await lead(features))).status == "active"
    await act("block", side="host")
    before = await features.everything()
    await tell(platform, lead_created("l-2", text="Hello?"))
    (failure,) = await platform.failures()
    assert failure.startswith("conversation_blocked: ")
    assert await features.everything() == before


async def test_what_is_said_in_the_thread_belongs_to_the_lead(platform: Platform) -> None:
    await tell(platform, lead_created(text="A cake?"), lead_created("l-2", text="And flowers?"))
    features = platform.features
    cake, flowers = await lead(features), await lead(features, LeadId("l-2"))
    assert cake.conversation_id == flowers.conversation_id
    conversation = await conversation_of(features, cake)
    async with features.database.transaction() as tx:
        answer = await features.messages.post(
            tx, conversation, sender_id=ParticipantId("v-1"), text="Gladly", thread_id=cake.message_id
        )
    assert [one.lead_id for one in await said(features, cake)] == ["l-1", "l-2", "l-1"]
    statuses = [(await lead(features)).status, (await lead(features, LeadId("l-2"))).status]
    assert statuses == ["answered", "new"]
    message = await features.message_store.get(features.database, answer)
    assert message is not None
    async with features.database.transaction() as tx:
        await features.leads.link(tx, flowers, message)
    statuses = [(await lead(features)).status, (await lead(features, LeadId("l-2"))).status]
    assert statuses == ["new", "answered"]
    async with features.database.transaction() as tx:
        await features.leads.unlink(tx, cake, message)  # it is the other one's
        await features.leads.unlink(tx, flowers, message)
    assert (await lead(features)).status == "answered", "it is in the lead's thread again"


def at(hour: int, sent: dict[str, Any]) -> dict[str, Any]:
    return sent | {"time": f"2027-05-01T{hour:02}:00:00Z"}


@one_database
async def test_a_booking_wins_the_lead_until_it_is_cancelled(platform: Platform) -> None:
    await tell(platform, lead_created(), at(11, booking_told("confirmed")))
    assert (await lead(platform.features)).status == "won"
    await tell(platform, at(12, booking_told("cancelled")))
    assert (await lead(platform.features)).status == "new"


async def test_what_was_booked_before_a_lead_does_not_win_it(platform: Platform) -> None:
    await tell(platform, at(10, booking_told("confirmed")))
    platform.features.clock.advance(1)
    await tell(platform, lead_created())
    platform.features.clock.advance(1)
    moved = at(11, booking_told("changed"))
    moved["data"]["booking"] |= {"service": "Catering for 80"}
    await tell(platform, payment_received(), moved, at(12, booking_told("completed")))
    assert (await lead(platform.features)).status == "new"
    another = at(13, booking_told("requested"))
    another["data"]["booking"] |= {"id": "b-2"}
    await tell(platform, another)
    assert (await lead(platform.features)).status == "new"
    await tell(platform, at(14, another | {"type": "booking.confirmed"}))
    assert (await lead(platform.features)).status == "won"


@one_database
async def test_what_was_cancelled_and_is_booked_once_more_wins_it(platform: Platform) -> None:
    await tell(platform, at(10, booking_told("confirmed")))
    platform.features.clock.advance(1)
    await tell(platform, lead_created(), at(11, booking_told("cancelled")))
    assert (await lead(platform.features)).status == "new"
    platform.features.clock.advance(1)
    await tell(platform, at(12, booking_told("confirmed")))
    assert (await lead(platform.features)).status == "won"


async def test_of_what_was_there_the_migration_says_since_when_it_is_booked(platform: Platform) -> None:
    features = platform.features
    conversation = await features.open()
    stories: dict[str, tuple[Kind, ...]] = {
        "once": ("requested", "confirmed", "confirmed", "completed"),
        "again": ("confirmed", "cancelled", "confirmed", "changed"),
        "no more": ("confirmed", "cancelled"),
        "not yet": ("requested",),
    }
    async with features.database.transaction() as tx:
        for name, kinds in stories.items():
            for hour, kind in enumerate(kinds):
                told = news(kind, hour, news_id=f"{name} {hour}")
                await features.bookings.follow(tx, conversation, BookingId(name), told)
        await tx.execute("UPDATE bookings SET booked_at = NULL")
        migration = files("bridge.storage") / "migrations" / "0048_lead_status.sql"
        (fill,) = [one for one in split(migration.read_text()) if one.startswith("UPDATE bookings")]
        await tx.execute(fill)
        rows = await tx.fetch("SELECT booking_id, booked_at FROM bookings")
    assert {row["booking_id"]: row["booked_at"] for row in rows} == {
        "once": HOUR,
        "again": 2 * HOUR,
        "no more": None,
        "not yet": None,
    }


LEADS = (LeadId("l-1"), LeadId("l-2"))
BOOKINGS = (BookingId("b-1"), BookingId("b-2"))
KINDS: tuple[Kind, ...] = ("requested", "confirmed", "changed", "cancelled", "completed")
ask = st.tuples(st.just("ask"), st.integers(0, 1))
"""A lead comes, or comes again."""
of_bookings = st.one_of(
    st.tuples(st.just("book"), st.integers(0, 1), st.sampled_from(KINDS)),
    st.tuples(st.just("pay"), st.integers(0, 1)),
)
steps = st.one_of(
    ask,
    of_bookings,
    # Somebody says something: in a lead's thread (0, 1), of one (2, 3), or just so.
    st.tuples(st.just("say"), st.sampled_from(["v-1", "u-anna"]), st.integers(0, 4)),
    st.tuples(st.just("link"), st.integers(0, 5), st.integers(0, 1)),
    st.tuples(st.just("delete"), st.integers(0, 5)),
    st.tuples(st.just("act"), st.sampled_from(["close", "reopen", "archive", "unarchive", "block"])),
    st.tuples(st.just("declare"), st.integers(0, 1), st.sampled_from(["won", "lost", None])),
)
stories = st.builds(
    lambda before, first, after: [*before, first, *after],
    st.lists(of_bookings, max_size=3),
    ask,
    st.lists(steps, max_size=10),
)


@dataclass(frozen=True)
class Answer:
    """What the vendor has said. `lead`: of which; None: of none."""

    message_id: MessageId
    at: int
    lead: LeadId | None
    deleted: bool = False


@dataclass
class Talk:
    """A conversation, leads and bookings of it, and what is expected of them."""

    features: Features
    leads: dict[LeadId, Lead] = field(default_factory=dict)
    came: dict[LeadId, int] = field(default_factory=dict)
    declared: dict[LeadId, Outcome | None] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    booked: dict[BookingId, tuple[str, int | None]] = field(default_factory=dict)
    """What a booking is, and since when it is booked."""
    told: list[LeadId] = field(default_factory=list)
    number: int = 0

    async def hear(self, tx: Transaction, event: Event) -> None:
        if isinstance(event, LeadStatusChanged):
            self.told.append(event.lead_id)

    async def conversation(self, reader: Reader | None = None) -> Conversation:
        (found,) = await self.features.conversation_store.of_party(
            reader or self.features.database, TENANT, PartyId("p-1")
        )
        return found

    async def step(self, tx: Transaction, kind: str, *how: Any) -> None:
        self.number += 1
        self.features.clock.advance(1)
        conversation = await self.conversation(tx)
        is_silent = conversation.status == "blocked" or conversation.is_read_only
        match kind, how:
            case "ask", (which,) if conversation.status != "blocked":
                await self.ask(tx, LEADS[which])
            case "say", (who, where) if not is_silent:
                await self.say(tx, conversation, who, where)
            case "delete", (which,) if which < len(self.answers):
                gone = self.answers[which]
                self.answers[which] = replace(gone, deleted=True)
                message = await self.features.message_store.get(tx, gone.message_id)
                assert message is not None
                await self.features.changes.delete(tx, message, sender_id=None)
            case "link", (which, where) if which < len(self.answers) and LEADS[where] in self.leads:
                linked, lead = self.answers[which], self.leads[LEADS[where]]
                message = await self.features.message_store.get(tx, linked.message_id)
                assert message is not None
                await self.features.leads.link(tx, lead, message)
                self.answers[which] = replace(linked, lead=lead.lead_id)
            case "act", (action,) if conversation.status != "blocked" or action in ("block", "reopen"):
                side: Any = "host" if action == "block" else None
                await self.features.conversation_changes.act(tx, conversation, action, asking=None, side=side)
            case "declare", (which, outcome) if LEADS[which] in self.leads:
                self.declared[LEADS[which]] = outcome
                current = await self.features.lead_store.get(tx, TENANT, LEADS[which])
                assert current is not None
                await self.features.leads.declare(tx, current, outcome)
            case "book", (which, news_kind) if not is_silent:
                await self.book(tx, conversation, BOOKINGS[which], news_kind)
            case "pay", (which,) if not is_silent:
                paid = payment(100, f"pay-{self.number}", of=BOOKINGS[which])
                await self.features.bookings.pay(tx, TENANT, paid)

    async def ask(self, tx: Transaction, which: LeadId) -> None:
        told = encode(lead_created(which)["data"])
        self.leads[which], made = await self.features.leads.open(
            tx, LeadToOpen.model_validate_json(told).lead(TENANT)
        )
        if made:
            self.came[which] = self.features.clock.now()

    async def say(self, tx: Transaction, conversation: Conversation, who: str, where: int) -> None:
        of = self.leads.get(LEADS[where % 2]) if where < 4 else None
        message_id = await self.features.messages.post(
            tx,
            conversation,
            sender_id=ParticipantId(who),
            text="Hm",
            thread_id=of.message_id if of is not None and where < 2 else None,
            labels=NONE if of is None or where < 2 else Labels(lead_id=of.lead_id),
        )
        if who == "v-1":
            lead_id = None if of is None else of.lead_id
            self.answers.append(Answer(message_id, self.features.clock.now(), lead_id))

    async def book(self, tx: Transaction, conversation: Conversation, which: BookingId, kind: Kind) -> None:
        told = news(kind, self.number, news_id=f"news-{self.number}")
        await self.features.bookings.follow(tx, conversation, which, told, party_id=PartyId("p-1"))
        before, since = self.booked.get(which, (None, None))
        after = _after(before, kind)
        is_booked = after in ("confirmed", "completed")
        self.booked[which] = (after, (since or self.features.clock.now()) if is_booked else None)

    def expected(self, which: LeadId, conversation: Conversation) -> Status:
        came, declared = self.came[which], self.declared.get(which)
        if declared is not None:
            return declared
        if any(since is not None and since >= came for _, since in self.booked.values()):
            return "won"
        if conversation.is_read_only or conversation.status == "blocked":
            return "lost"
        heard = [
            one for one in self.answers if not one.deleted and one.lead in (None, which) and one.at > came
        ]
        return "answered" if heard else "new"


def _after(before: str | None, kind: Kind) -> str:
    """As docs/events.md has it."""
    if before == "completed" or (before == "cancelled" and kind in ("changed", "completed")):
        return before
    if kind == "changed" or (before == "confirmed" and kind == "requested"):
        return before or "requested"
    return kind


async def play(story: list[Any]) -> None:
    async with quick_database() as database:
        features = Features(database)
        talk = Talk(features)
        features.outbox.witness(features.leads.heard)
        features.outbox.witness(talk.hear)
        await features.open(
            party="p-1",
            hosts=[person("u-anna", "Anna", mxid="@anna:example.org")],
            vendor=person("v-1", "Sweet Bites"),
        )
        statuses: dict[LeadId, Status] = {}
        for kind, *how in story:
            talk.told.clear()
            async with database.transaction() as tx:
                await talk.step(tx, kind, *how)
            conversation, before = await talk.conversation(), dict(statuses)
            for which in talk.came:
                statuses[which] = (await lead(features, which)).status
                assert statuses[which] == talk.expected(which, conversation)
            changed = [one for one in before if before[one] != statuses[one]]
            assert sorted(talk.told) == sorted(changed), "each change is told, and nothing else"


@given(story=stories)
@settings(max_examples=examples(100))
def test_a_lead_has_come_to_what_its_conversation_says(story: list[Any]) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 14: leads stay consistent with the messages, the
    bookings and the state of their conversation, whatever is said, deleted, closed, booked before and since, paid and
    declared; and each change of what a lead has come to is told"""
    asyncio.run(play(story))
