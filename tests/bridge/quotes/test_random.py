"""Whatever people do, in whatever order: one outcome at most, and it is what they had before them."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import Refusal
from bridge.core.ids import MessageId, ParticipantId, QuoteId
from bridge.core.money import shown
from bridge.quotes.model import Quote
from tests.bridge.quotes.stall import ANNA, BEN, CHEF, DAY, Stall, is_question
from tests.databases import quick_database
from tests.examples import examples

OUTCOMES = {"Accepted", "Declined", "Expired", "Withdrawn"}
HOSTS = st.sampled_from((ANNA, BEN))
who = st.sampled_from((ANNA, ANNA, BEN, CHEF))
what = st.sampled_from(("quote", "quote", "question", "question", "anything"))
taps = st.tuples(st.just("react"), who, what, st.sampled_from(["✅", "✅", "✅", "❌", "↩️", "👍"]))
words = st.tuples(
    st.just("reply"), who, what, st.sampled_from(["accept", "accept", "confirm", "confirm", "decline", "no"])
)
votes = st.tuples(st.just("vote"), who, what, st.sampled_from(["1", "1", "1", "2", "3"]))
others = st.one_of(
    st.tuples(st.just("accept"), HOSTS, st.integers(1, 3), st.sampled_from([1_000, 2_000])),
    st.tuples(st.just("decline"), HOSTS, st.integers(1, 3), st.none()),
    st.tuples(st.just("revise"), st.just(CHEF), st.none(), st.sampled_from([1_000, 2_000])),
    st.tuples(st.just("withdraw"), who, st.none(), st.none()),
    st.tuples(st.just("wait"), st.just(CHEF), st.integers(1, 3), st.booleans()),
)
second = st.tuples(st.just("second"), st.none(), st.none(), st.sampled_from(["✅", "✅", "✅", "↩️"]))
"""By whoever was asked last."""
acts = st.one_of(taps, votes, second, words, others)


@settings(max_examples=examples(100), deadline=None)
@given(steps=st.lists(acts, min_size=3, max_size=10), by_poll=st.booleans())
def test_there_is_one_outcome_and_it_is_what_was_asked(
    steps: list[tuple[Any, ...]], *, by_poll: bool
) -> None:
    asyncio.run(play(steps, by_poll=by_poll))


async def play(steps: list[tuple[Any, ...]], *, by_poll: bool) -> None:
    async with quick_database() as database:
        stall = await Stall(database, by_poll=by_poll).opened()
        quote_id = (await stall.send(1_000, days=4)).quote_id
        named: set[tuple[ParticipantId, int, int]] = set()
        """Who has accepted by API, which revision, at which total."""
        for step in steps:
            stall.clock.advance(1)
            await do(stall, quote_id, step, named)
        await check(stall, quote_id, named)


async def do(stall: Stall, quote_id: QuoteId, step: tuple[Any, ...], named: set[Any]) -> None:
    act, by, number, what = step
    quote = await stall.get(quote_id)
    target = await about(stall, quote, number)
    try:
        match act:
            case "react":
                await stall.react(target, what, by=by)
            case "vote":
                poll = quote.latest.poll_id if number == "quote" else None
                await stall.vote(poll or target, what, by=by)
            case "second":
                if questions := await stall.store.questions(stall.database, quote_id):
                    asked, by = questions[-1].message_id, questions[-1].participant_id
                    if quote.latest.poll_id is None:
                        await stall.react(asked, what, by=by)
                    else:
                        await stall.vote(asked, "1" if what == "✅" else "2", by=by)
            case "reply":
                await stall.reply(target, what, by=by)
            case "accept":
                named.add((by, number, what))
                await stall.accept(quote, number, what, by=by)
            case "decline":
                await stall.decline(quote, number, by=by)
            case "revise":
                await stall.revise(quote, what, days=4)
            case "withdraw":
                await stall.withdraw(quote, by=by)
            case _:
                stall.clock.advance(number * DAY)
                if what:
                    await stall.due().do_due()
    except Refusal:
        pass


async def about(stall: Stall, quote: Quote, what: Any) -> MessageId:
    said = await stall.festimo()
    questions = [one.message_id for one in said if is_question(one)]
    if what == "question" and questions:
        return questions[-1]
    return said[len(said) // 2].message_id if what == "anything" else quote.latest.message_id


async def check(stall: Stall, quote_id: QuoteId, named: set[tuple[ParticipantId, int, int]]) -> None:
    told, quote, said = await stall.told(), await stall.get(quote_id), await stall.festimo()
    outcomes = [(name, revision) for name, revision in told if name in OUTCOMES]
    assert len({revision for _, revision in outcomes}) == len(outcomes), "a revision with two outcomes"
    accepted = [revision for name, revision in outcomes if name == "Accepted"]
    assert len(accepted) <= 1
    if accepted:
        assert told[-1][0] == "Accepted", "after that nothing happens any more"
        one = quote.latest
        assert (one.state, one.revision, one.answered_by in (ANNA, BEN)) == ("accepted", accepted[0], True)
        words = f"revision {one.revision} (“Catering”), at a total of {shown(one.offer.total, 'EUR')}"
        person = "Anna" if one.answered_by == ANNA else "Ben"
        asked = [text.text for text in said if is_question(text) and text.text.startswith(f"{person},")]
        by_api = (one.answered_by, one.revision, one.offer.total) in named
        assert by_api or any(words in text for text in asked), "nobody had repeated it to them"
        assert sum(f"{person} has accepted" in text.text and words in text.text for text in said) == 1
    states = {one.revision: one.state for one in quote.revisions}
    for name, revision in outcomes:
        assert states[revision] == name.lower()
    assert [one.revision for one in quote.revisions] == [number for name, number in told if name == "Sent"]
