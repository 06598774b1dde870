"""Quotes that hosts are asked about in polls: every state and every vote; a vote is only another way to say it."""

import asyncio
from typing import get_args

import pytest

from bridge.core.errors import Refusal
from bridge.core.ids import MessageId
from bridge.messages.held import Poll
from bridge.quotes.answers import Answer, of_vote
from bridge.quotes.model import Quote
from bridge.quotes.texts import POLL_ANSWERS, QUESTION_ANSWERS
from tests.bridge.quotes.cases import (
    A_NO,
    CONFIRMED,
    FIRST_YES,
    LEFT,
    OVER,
    TOTAL,
    UNTOUCHED,
    Act,
    Way,
    check,
)
from tests.bridge.quotes.stall import ANNA, BEN, CHEF, DAY, Stall
from tests.bridge.quotes.test_store import SECRETS, plain
from tests.databases import one_database

YES, NO = "1", "2"


def poll_of(quote: Quote) -> MessageId:
    assert quote.latest.poll_id is not None
    return quote.latest.poll_id


BY_VOTES = Way(
    accept=lambda stall, quote: stall.vote(poll_of(quote), YES),
    decline=lambda stall, quote: stall.vote(poll_of(quote), NO),
    confirm=lambda stall, question: stall.vote(question, YES),
    leave_open=lambda stall, question: stall.vote(question, NO),
)
# What is over has polls that are closed: they take no votes, in no client. So has what an erased vendor offered.

ACTS: dict[str, tuple[Act, tuple[str, ...]]] = {
    # A first yes gets a question, of whoever is not asked.
    "ben votes yes": (
        lambda case: case.stall.vote(poll_of(case.quote), YES, by=BEN),
        (*FIRST_YES[:3], *OVER, "asked told", "withdrawn"),
    ),
    "ben voted yes before it was over": (
        lambda case: case.stall.vote(poll_of(case.quote), YES, by=BEN, came_late=True),
        FIRST_YES,
    ),
    "anna votes yes again": (
        lambda case: case.stall.vote(poll_of(case.quote), YES),
        ("asked question", "asked", "expired Expired", *OVER, "asked", "withdrawn"),
    ),
    # A no counts at once; it may be a changed mind.
    "ben votes no": (
        lambda case: case.stall.vote(poll_of(case.quote), NO, by=BEN),
        (*A_NO[:3], *OVER, "declined Declined", "withdrawn"),
    ),
    "ben voted no before it was over": (
        lambda case: case.stall.vote(poll_of(case.quote), NO, by=BEN, came_late=True),
        A_NO,
    ),
    "anna votes no instead": (
        lambda case: case.stall.vote(poll_of(case.quote), NO),
        (*A_NO[:3], *OVER, "declined Declined", "withdrawn"),
    ),
    "anna takes her vote back": (lambda case: case.stall.vote(poll_of(case.quote)), UNTOUCHED),
    # The second step, of who was asked: a yes to a question that is over begins at the beginning.
    "anna confirms": (
        lambda case: case.stall.vote(case.question, YES),
        (*CONFIRMED, *OVER, "asked told", "withdrawn"),
    ),
    "anna leaves it open": (
        lambda case: case.stall.vote(case.question, NO),
        (*LEFT, *OVER, "sent left", "withdrawn"),
    ),
    "anna takes her answer to the question back": (lambda case: case.stall.vote(case.question), UNTOUCHED),
    # What was asked of Anna, Ben does not confirm: he is asked, too.
    "ben confirms what anna was asked": (
        lambda case: case.stall.vote(case.question, YES, by=BEN),
        (*FIRST_YES[:3], *OVER, "asked told", "withdrawn"),
    ),
    "ben leaves open what anna was asked": (
        lambda case: case.stall.vote(case.question, NO, by=BEN),
        ("sent", "asked", "expired Expired", *OVER, "asked", "withdrawn"),
    ),
    # By the API's operation for polls: it is told that the poll is closed.
    "ben votes yes by API": (
        lambda case: case.stall.vote_by_api(poll_of(case.quote), YES, by=BEN),
        (*FIRST_YES[:3], *(f"{state} poll_closed" for state in OVER), "asked told", "withdrawn poll_closed"),
    ),
    "anna confirms by API": (
        lambda case: case.stall.vote_by_api(case.question, YES),
        (*CONFIRMED, *(f"{state} poll_closed" for state in OVER), "asked told", "withdrawn poll_closed"),
    ),
    # Who may not answer votes for nothing, and nobody is bothered with it.
    "the vendor votes yes": (lambda case: case.stall.vote(poll_of(case.quote), YES, by=CHEF), UNTOUCHED),
    "the vendor votes no": (lambda case: case.stall.vote(poll_of(case.quote), NO, by=CHEF), UNTOUCHED),
    "the vendor confirms": (lambda case: case.stall.vote(case.question, YES, by=CHEF), UNTOUCHED),
    "a stranger votes no": (lambda case: case.stall.vote(poll_of(case.quote), NO, by=None), UNTOUCHED),
    "a stranger confirms": (lambda case: case.stall.vote(case.question, YES, by=None), UNTOUCHED),
    # What no poll of ours offers.
    "anna votes for something else": (lambda case: case.stall.vote(poll_of(case.quote), "3"), UNTOUCHED),
    # Words and reactions mean the same as without polls, to either message.
    "ben replies yes to the poll": (
        lambda case: case.stall.reply(poll_of(case.quote), "accept", by=BEN),
        FIRST_YES,
    ),
    "ben reacts no to the quote": (lambda case: case.stall.react(case.message, "❌", by=BEN), A_NO),
    "anna confirms in words": (
        lambda case: case.stall.reply(case.question, "confirm"),
        (*CONFIRMED, "accepted", *FIRST_YES[4:]),
    ),
}


@one_database
@pytest.mark.parametrize("name", ACTS)
async def test_each_state_and_all_votes(name: str) -> None:
    await check(*ACTS[name], BY_VOTES, by_poll=True)


def test_each_answer_of_the_polls_means_something() -> None:
    meant = {
        text: of_vote([str(number)], to_question=to_question)
        for to_question, answers in ((False, POLL_ANSWERS), (True, QUESTION_ANSWERS))
        for number, text in enumerate(answers, start=1)
    }
    assert meant == {
        "Accept": "accept",
        "Decline": "decline",
        "Yes, I accept": "confirm",
        "No, leave it open": "leave",
    }
    assert set(meant.values()) == set(get_args(Answer))


async def test_both_steps_are_polls_that_name_the_total(polling_stall: Stall) -> None:
    stall = polling_stall
    quote = await stall.revise(await stall.send(100_000), TOTAL)
    shown, asked = (await stall.festimo())[-2:]
    assert (shown.message_id, asked.message_id) == (quote.latest.message_id, poll_of(quote))
    assert "a host votes in the poll below" in shown.text
    assert (asked.kind, asked.reply_to) == ("poll", shown.message_id)
    assert isinstance(asked.held, Poll)
    assert (
        asked.held.question == "Quote 1, revision 2: Catering, at a total of EUR 3,840.00. Do you accept it?"
    )
    assert not await stall.features.reaction_store.of(stall.database, shown.message_id)
    await stall.vote(poll_of(quote), YES)
    question = await stall.question()
    assert isinstance(question.held, Poll)
    assert question.held.question.startswith(
        "Anna, you want to accept quote 1, revision 2 (“Catering”), at a total of EUR 3,840.00."
    )
    assert (question.mentions, question.reply_to) == ((ANNA,), shown.message_id)
    await stall.vote(question.message_id, YES)
    accepted = (await stall.get(quote.quote_id)).latest
    assert (accepted.state, accepted.answered_by) == ("accepted", ANNA)
    assert await stall.told() == [("Sent", 1), ("Sent", 2), ("Accepted", 2)]
    assert (await stall.last()).text == (
        "Anna has accepted quote 1, revision 2 (“Catering”), at a total of EUR 3,840.00."
    )


async def test_no_price_of_a_poll_is_plaintext(polling_stall: Stall) -> None:
    stall = polling_stall
    quote = await stall.send(123_456_700)
    await stall.vote(poll_of(quote), YES)
    await stall.vote_by_api((await stall.question()).message_id, YES)
    assert await stall.state(quote) == "accepted"
    stored = await plain(stall)
    assert [secret for secret in SECRETS if secret in stored] == []


async def test_a_changed_vote_is_what_counts(polling_stall: Stall) -> None:
    """Before Festimo has looked at the first."""
    stall = polling_stall
    quote = await stall.send()
    await stall.work()
    await stall.vote(poll_of(quote), NO, seen=False)
    await stall.vote(poll_of(quote), YES, seen=False)
    await stall.work()
    assert (await stall.state(quote), await stall.events()) == ("asked", ["Sent"])
    question = (await stall.question()).message_id
    await stall.vote(question, YES, seen=False)
    await stall.vote(question, NO, seen=False)
    await stall.work()
    assert await stall.state(quote) == "sent"
    await stall.vote(poll_of(quote), NO, seen=False)
    await stall.vote(poll_of(quote), seen=False)
    await stall.work()
    assert (await stall.state(quote), await stall.events()) == ("sent", ["Sent"])


async def test_polls_are_open_as_long_as_the_revision_is(polling_stall: Stall) -> None:
    """Who left it open may vote otherwise, in the poll that asked them, and is asked once more."""
    stall = polling_stall
    quote = await stall.send()
    await stall.vote(poll_of(quote), YES)
    first = (await stall.question()).message_id
    await stall.vote(first, NO)
    assert await stall.open_polls() == [poll_of(quote), first]
    await stall.vote(first, YES)
    second = (await stall.question()).message_id
    assert await stall.open_polls() == [poll_of(quote), first, second]

    revised = await stall.revise(quote, 200_000)
    assert await stall.open_polls() == [poll_of(revised)]
    await stall.vote(poll_of(revised), NO)
    assert await stall.open_polls() == []
    again = await stall.revise(revised, 100_000, days=1)
    assert await stall.open_polls() == [poll_of(again)]
    await stall.later(DAY)
    assert (await stall.state(again), await stall.open_polls()) == ("expired", [])
    await stall.withdraw(await stall.revise(again, 90_000))
    assert await stall.open_polls() == []
    last = await stall.revise(await stall.send(), 80_000)
    await stall.accept(last, 2, 80_000)
    assert (await stall.state(last), await stall.open_polls()) == ("accepted", [])


async def test_what_was_asked_one_way_is_answered_when_the_other_is_chosen(polling_stall: Stall) -> None:
    """The operator changes the configuration while a quote is open, and a question of it, too."""
    quote = await polling_stall.send()
    await polling_stall.vote(poll_of(quote), YES)
    first = (await polling_stall.question()).message_id
    now = Stall(polling_stall.database)
    now.conversation, now._said = polling_stall.conversation, polling_stall._said
    now.clock.advance(polling_stall.clock.now() - now.clock.now())
    await now.vote(poll_of(quote), YES, by=BEN)
    question = await now.question()
    assert (question.kind, question.mentions) == ("quote", (BEN,))
    await now.react(question.message_id, "↩️", by=BEN)
    await now.vote(first, YES)
    assert (await now.state(quote), await now.open_polls()) == ("accepted", [])


async def test_votes_and_everything_else_at_once_have_one_outcome(polling_stall: Stall) -> None:
    """As several processes do it."""
    stall = polling_stall
    quote = await stall.send()
    await stall.vote(poll_of(quote), YES)
    await stall.vote((await stall.question()).message_id, YES, seen=False)
    confirmed = await stall.head()
    assert confirmed is not None
    found = await asyncio.gather(
        stall.handle(confirmed),
        stall.vote(poll_of(quote), NO, by=BEN, came_late=True, seen=False),
        stall.decline(quote, 1, by=BEN),
        stall.withdraw(quote),
        return_exceptions=True,
    )
    await stall.work()
    assert all(one is None or isinstance(one, Refusal) for one in found), found
    told = await stall.events()
    assert len(told) == 2
    assert (await stall.state(quote)).capitalize() == told[1]
    assert await stall.open_polls() == []
