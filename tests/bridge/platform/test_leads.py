"""A lead opens one thread in the conversation of both, whatever comes how often, and its status follows that."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.conversations.model import Action, Conversation
from bridge.core.ids import LeadId, MessageId, ParticipantId, PartyId
from bridge.leads.input import LeadToOpen
from bridge.leads.model import Lead, Outcome, Status
from bridge.messages.model import Message
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT, Features
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import (
    booking_confirmed,
    encode,
    event,
    host,
    party,
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


@one_database
async def test_a_booking_wins_the_lead_until_it_is_cancelled(platform: Platform) -> None:
    await tell(platform, lead_created(), booking_confirmed())
    assert (await lead(platform.features)).status == "won"
    async with platform.features.database.transaction() as tx:
        await tx.execute("UPDATE bookings SET status = 'cancelled'")
    assert (await lead(platform.features)).status == "new"


LEADS = (LeadId("l-1"), LeadId("l-2"))
steps = st.lists(
    st.one_of(
        # Somebody says something: in a lead's thread (0, 1), linked to one (2, 3), or just so.
        st.tuples(st.just("say"), st.sampled_from(["v-1", "u-anna"]), st.integers(0, 4)),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("act"), st.sampled_from(["close", "reopen", "archive", "unarchive", "block"])),
        st.tuples(st.just("declare"), st.integers(0, 1), st.sampled_from(["won", "lost", None])),
        st.tuples(st.just("book"), st.sampled_from(["requested", "confirmed", "cancelled", "completed"])),
    ),
    max_size=10,
)


@dataclass(frozen=True)
class Answer:
    message_id: MessageId
    lead: LeadId | None
    deleted: bool = False


def recounted(
    which: LeadId,
    declared: Outcome | None,
    bookings: list[str],
    conversation: Conversation,
    answers: list[Answer],
) -> Status:
    if declared is not None:
        return declared
    if bookings and bookings[-1] in ("confirmed", "completed"):
        return "won"
    if conversation.is_read_only or conversation.status == "blocked":
        return "lost"
    heard = [one for one in answers if not one.deleted and one.lead in (None, which)]
    return "answered" if heard else "new"


async def play(story: list[Any]) -> None:
    async with quick_database() as database:
        features = Features(database)
        leads = {}
        async with database.transaction() as tx:
            for which in LEADS:
                told = encode(lead_created(which)["data"])
                leads[which], _ = await features.leads.open(
                    tx, LeadToOpen.model_validate_json(told).lead(TENANT)
                )
        answers: list[Answer] = []
        declared: dict[LeadId, Outcome | None] = dict.fromkeys(LEADS)
        bookings: list[str] = []
        conversation = await conversation_of(features, leads[LEADS[0]])
        for kind, *how in story:
            async with database.transaction() as tx:
                if kind == "say" and conversation.status != "blocked" and not conversation.is_read_only:
                    who, where = how
                    of = LEADS[where % 2] if where < 4 else None
                    message_id = await features.messages.post(
                        tx,
                        conversation,
                        sender_id=ParticipantId(who),
                        text="Hm",
                        thread_id=leads[of].message_id if of is not None and where < 2 else None,
                    )
                    if of is not None and where >= 2:
                        message = await features.message_store.get(tx, message_id)
                        assert message is not None
                        await features.leads.link(tx, leads[of], message)
                    if who == "v-1":
                        answers.append(Answer(message_id, of))
                elif kind == "delete" and how[0] < len(answers):
                    gone = answers[how[0]]
                    answers[how[0]] = replace(gone, deleted=True)
                    await tx.execute(
                        "UPDATE messages SET deleted_at = 1 WHERE message_id = $1", gone.message_id
                    )
                elif kind == "act" and (conversation.status != "blocked" or how[0] in ("block", "reopen")):
                    side: Any = "host" if how[0] == "block" else None
                    await features.conversation_changes.act(tx, conversation, how[0], asking=None, side=side)
                elif kind == "declare":
                    which = LEADS[how[0]]
                    current = await features.lead_store.get(tx, TENANT, which)
                    assert current is not None
                    declared[which] = how[1]
                    await features.leads.declare(tx, current, how[1])
                elif kind == "book":
                    bookings.append(how[0])
                    await tx.execute(
                        "INSERT INTO bookings (tenant_id, booking_id, conversation_id, status, details, updated_at)"
                        " VALUES ($1, 'b', $2, $3, $4, $5) ON CONFLICT (tenant_id, booking_id) DO UPDATE SET"
                        " status = excluded.status",
                        *(TENANT, conversation.conversation_id, how[0], b"", features.clock.now()),
                    )
            conversation = await conversation_of(features, leads[LEADS[0]])
            for which in LEADS:
                expected = recounted(which, declared[which], bookings, conversation, answers)
                assert (await lead(features, which)).status == expected


@given(story=steps)
@settings(max_examples=examples(100))
def test_a_lead_has_come_to_what_its_conversation_says(story: list[Any]) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 14: leads stay consistent with the messages, the
    bookings and the state of their conversation, whatever is said, deleted, closed, booked and declared"""
    asyncio.run(play(story))
