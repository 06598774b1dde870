"""Every state of a revision, and all that can be done with it: what it is then, what is told, and what is said."""

from collections.abc import Awaitable
from pathlib import Path
from typing import get_args

import pytest

from bridge.core.errors import Refusal
from bridge.quotes.model import Act as Deed
from bridge.quotes.model import State
from bridge.quotes.rules import AFTER
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
from tests.bridge.quotes.stall import BEN, CHEF, DAY, Stall
from tests.databases import one_database

pytestmark = one_database
YES, NO, NOT_YET = "✅", "❌", "↩️"

BY_REACTIONS = Way(
    accept=lambda stall, quote: stall.react(quote.latest.message_id, YES),
    decline=lambda stall, quote: stall.reply(quote.latest.message_id, "decline"),
    confirm=lambda stall, question: stall.react(question, YES),
    leave_open=lambda stall, question: stall.react(question, NOT_YET),
)
ACTS: dict[str, tuple[Act, tuple[str, ...]]] = {
    # A first yes gets a question, of whoever has not been asked yet.
    "ben reacts yes": (
        lambda case: case.stall.react(case.message, YES, by=BEN),
        FIRST_YES,
    ),
    "ben replies yes": (
        lambda case: case.stall.reply(case.message, "Accept!", by=BEN),
        FIRST_YES,
    ),
    "ben replies yes by API": (
        lambda case: _done(case.stall.reply_by_api(case.message, "accept", by=BEN)),
        FIRST_YES,
    ),
    # Who has been asked is not asked again; who says the same again is not bothered.
    "anna replies yes": (
        lambda case: case.stall.reply(case.message, "accept"),
        (
            "asked question",
            "asked",
            "expired Expired",
            "accepted",
            "declined told",
            "expired told",
            "withdrawn told",
            "superseded told",
            "asked",
            "withdrawn told",
        ),
    ),
    # A no counts at once.
    "ben reacts no": (
        lambda case: case.stall.react(case.message, NO, by=BEN),
        A_NO,
    ),
    "anna replies no": (
        lambda case: case.stall.reply(case.message, " DECLINE. "),
        (
            "declined Declined",
            "declined Declined",
            "expired Expired",
            "accepted told",
            "declined",
            "expired told",
            "withdrawn told",
            "superseded told",
            "declined Declined",
            "withdrawn told",
        ),
    ),
    "ben replies no by API": (
        lambda case: _done(case.stall.reply_by_api(case.message, "decline", by=BEN)),
        A_NO,
    ),
    # The second step, of who was asked: a yes to a question that is over begins at the beginning.
    "anna confirms": (
        lambda case: case.stall.react(case.question, "✅\ufe0f"),
        (*CONFIRMED, "accepted", *FIRST_YES[4:]),
    ),
    "anna confirms in words": (
        lambda case: case.stall.reply(case.question, "“Confirm”"),
        (*CONFIRMED, "accepted", *FIRST_YES[4:]),
    ),
    "anna confirms in words by API": (
        lambda case: _done(case.stall.reply_by_api(case.question, "Confirm.")),
        (*CONFIRMED, "accepted", *FIRST_YES[4:]),
    ),
    "anna leaves it open": (
        lambda case: case.stall.reply(case.question, "cancel"),
        (*LEFT, *OVER, "sent left", "withdrawn"),
    ),
    "anna says no to the question": (
        lambda case: case.stall.react(case.question, NO),
        (*LEFT, *OVER, "sent left", "withdrawn"),
    ),
    # What was asked of Anna, Ben does not confirm: he is asked, too.
    "ben confirms what anna was asked": (
        lambda case: case.stall.react(case.question, YES, by=BEN),
        FIRST_YES,
    ),
    "ben leaves open what anna was asked": (
        lambda case: case.stall.react(case.question, NOT_YET, by=BEN),
        ("sent", "asked", "expired Expired", *OVER, "asked", "withdrawn"),
    ),
    # By API, with the exact revision and total.
    "ben accepts by API": (
        lambda case: case.stall.accept(case.quote, 1, TOTAL, by=BEN),
        (
            "accepted Accepted",
            "accepted Accepted",
            "expired quote_expired",
            "accepted quote_accepted",
            "declined quote_declined",
            "expired quote_expired",
            "withdrawn quote_withdrawn",
            "superseded quote_differs",
            "asked vendor_gone",
            "withdrawn quote_withdrawn",
        ),
    ),
    "anna accepts by API": (
        lambda case: case.stall.accept(case.quote, 1, TOTAL),
        (
            "accepted Accepted",
            "accepted Accepted",
            "expired quote_expired",
            "accepted",
            "declined quote_declined",
            "expired quote_expired",
            "withdrawn quote_withdrawn",
            "superseded quote_differs",
            "asked vendor_gone",
            "withdrawn quote_withdrawn",
        ),
    ),
    "anna accepts another total by API": (
        lambda case: case.stall.accept(case.quote, 1, TOTAL - 1),
        tuple(f"{state} quote_differs" for state in UNTOUCHED),
    ),
    "anna accepts another currency by API": (
        lambda case: case.stall.accept(case.quote, 1, TOTAL, currency="CHF"),
        tuple(f"{state} quote_differs" for state in UNTOUCHED),
    ),
    "anna declines by API": (
        lambda case: case.stall.decline(case.quote, 1),
        (
            "declined Declined",
            "declined Declined",
            "expired quote_expired",
            "accepted quote_accepted",
            "declined",
            "expired quote_expired",
            "withdrawn quote_withdrawn",
            "superseded quote_differs",
            "declined Declined",
            "withdrawn quote_withdrawn",
        ),
    ),
    "the vendor accepts by API": (
        lambda case: case.stall.accept(case.quote, 1, TOTAL, by=CHEF),
        tuple(f"{state} not_allowed" for state in UNTOUCHED),
    ),
    # Of the vendor.
    "the vendor revises": (
        lambda case: _done(case.stall.revise(case.quote, 200_000)),
        (
            "superseded Sent",
            "superseded Sent",
            "expired Expired Sent",
            "accepted quote_accepted",
            "declined Sent",
            "expired Sent",
            "withdrawn quote_withdrawn",
            "superseded Sent",
            "asked not_allowed",
            "withdrawn not_allowed",
        ),
    ),
    "the vendor withdraws": (
        lambda case: case.stall.withdraw(case.quote),
        (
            "withdrawn Withdrawn",
            "withdrawn Withdrawn",
            "expired quote_expired",
            "accepted quote_accepted",
            "declined quote_declined",
            "expired quote_expired",
            "withdrawn",
            "superseded Withdrawn",  # the revision that has replaced it
            "asked not_allowed",
            "withdrawn not_allowed",
        ),
    ),
    "a host withdraws": (
        lambda case: case.stall.withdraw(case.quote, by=BEN),
        tuple(f"{state} not_allowed" for state in UNTOUCHED),
    ),
    # Who may not answer: a reaction means nothing, words are answered.
    "the vendor reacts yes": (
        lambda case: case.stall.react(case.message, YES, by=CHEF),
        UNTOUCHED,
    ),
    "the vendor confirms": (
        lambda case: case.stall.react(case.question, YES, by=CHEF),
        UNTOUCHED,
    ),
    "the vendor replies yes": (
        lambda case: case.stall.reply(case.message, "accept", by=CHEF),
        # Who has gone is told nothing.
        (*(f"{state} told" for state in UNTOUCHED[:-2]), *UNTOUCHED[-2:]),
    ),
    "a stranger reacts yes": (
        lambda case: case.stall.react(case.message, YES, by=None),
        UNTOUCHED,
    ),
    "a stranger confirms": (
        lambda case: case.stall.reply(case.question, "confirm", by=None),
        UNTOUCHED,
    ),
    # Talk.
    "anna reacts otherwise": (
        lambda case: case.stall.react(case.message, "👍"),
        UNTOUCHED,
    ),
    "anna replies otherwise": (
        lambda case: case.stall.reply(case.message, "Shall we accept?"),
        UNTOUCHED,
    ),
    # The clock.
    "its time comes": (
        lambda case: case.stall.later(14 * DAY),
        (
            "expired Expired",
            "expired Expired",
            "expired Expired",
            *OVER,
            "expired Expired",
            "withdrawn",
        ),
    ),
}


async def _done(work: Awaitable[object]) -> None:
    await work


@pytest.mark.parametrize("name", ACTS)
async def test_each_state_and_all_that_can_be_done(name: str) -> None:
    await check(*ACTS[name], BY_REACTIONS)


async def test_the_last_who_leaves_it_open_leaves_it_unasked(stall: Stall) -> None:
    quote = await stall.send()
    await stall.react(quote.latest.message_id, YES)
    of_anna = await stall.question()
    await stall.react(quote.latest.message_id, YES, by=BEN)
    of_ben = await stall.question()
    await stall.react(of_anna.message_id, NOT_YET)
    assert await stall.state(quote) == "asked"
    await stall.react(of_ben.message_id, NOT_YET, by=BEN)
    assert await stall.state(quote) == "sent"


async def test_who_says_yes_again_later_is_asked_again_and_may_confirm_either(stall: Stall) -> None:
    quote = await stall.send()
    await stall.react(quote.latest.message_id, YES)
    first = await stall.question()
    stall.clock.advance(60_000)
    await stall.reply(quote.latest.message_id, "accept")
    second = await stall.question()
    assert second.message_id != first.message_id
    await stall.react(second.message_id, NOT_YET)
    assert await stall.state(quote) == "sent"
    stall.clock.advance(60_000)
    await stall.reply(quote.latest.message_id, "accept")
    third = await stall.question()
    stall.clock.advance(60_000)
    await stall.reply(quote.latest.message_id, "accept")
    await stall.react(third.message_id, YES)
    assert await stall.state(quote) == "accepted"
    assert await stall.store.questions(stall.database, quote.quote_id) == []


async def test_what_a_question_is_about_is_what_counts(stall: Stall) -> None:
    """The vendor raises the price between the two steps: the yes to the old one counts for nothing."""
    quote = await stall.send(100_000)
    await stall.react(quote.latest.message_id, YES)
    question = await stall.question()
    assert "revision 1" in question.text
    assert "EUR 1,000.00" in question.text
    quote = await stall.revise(quote, 900_000)
    await stall.react(question.message_id, YES)
    assert (await stall.state(quote), await stall.events()) == ("sent", ["Sent", "Sent"])
    assert "replaced by revision 2" in (await stall.last()).text
    await stall.react(quote.latest.message_id, YES)
    assert "revision 2 (“Catering”), at a total of EUR 9,000.00" in (await stall.question()).text
    await stall.react((await stall.question()).message_id, YES)
    assert "revision 2 (“Catering”), at a total of EUR 9,000.00" in (await stall.last()).text
    assert await stall.events() == ["Sent", "Sent", "Accepted"]


async def test_a_reaction_that_was_taken_back_before_it_was_seen_means_nothing(stall: Stall) -> None:
    quote = await stall.send()
    await stall.work()
    message = await stall.features.message_store.get(stall.database, quote.latest.message_id)
    assert message is not None
    async with stall.database.transaction() as tx:
        await stall.features.reactions.add(tx, message, by=BEN, emoji=NO)
        await stall.features.reactions.remove(tx, message, by=BEN, emoji=NO)
    await stall.work()
    assert await stall.state(quote) == "sent"


async def test_in_a_closed_conversation_nothing_is_answered(stall: Stall) -> None:
    quote = await stall.send()
    await stall.work()
    async with stall.database.transaction() as tx:
        await tx.execute("UPDATE conversations SET closed_at = 1")
    said = len(await stall.festimo())
    await stall.react(quote.latest.message_id, NO)
    assert (await stall.state(quote), len(await stall.festimo())) == ("sent", said)
    with pytest.raises(Refusal) as refused:
        await stall.accept(quote, 1, 384_000)
    assert refused.value.code == "conversation_closed"


def test_the_page_shows_the_table_that_there_is() -> None:
    page = (Path(__file__).parents[3] / "docs/quotes.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"
    ]
    at = next(number for number, row in enumerate(rows) if row[0] == "" and row[1] == "ask")
    acts = rows[at][1:]
    shown = {(row[0], act): cell for row in rows[at + 2 :] for act, cell in zip(acts, row[1:], strict=True)}
    assert shown == {pair: state or "–" for pair, state in AFTER.items()}
    assert {state for state, _ in AFTER} == set(get_args(State))
    assert {act for _, act in AFTER} == set(get_args(Deed))
