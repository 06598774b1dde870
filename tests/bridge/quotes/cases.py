"""A quote in each of its states, and what comes of something that is done with it then."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bridge.core.errors import Refusal
from bridge.core.ids import MessageId
from bridge.quotes.model import Quote
from tests.bridge.quotes.stall import CHEF, DAY, Stall, is_question, is_refusal
from tests.databases import quick_database

TOTAL = 384_000
OVER = ("accepted", "declined", "expired", "withdrawn", "superseded")
STATES = ("sent", "asked", "over", *OVER, "vendor left", "vendor erased")
"""Of revision 1. Anna was asked in each, and where it is "sent" has left it open. `over`: its time is, and nobody has
noticed yet. "vendor ...": that has become of them while Anna was asked."""
UNTOUCHED = ("sent", "asked", "expired", *OVER, "asked", "withdrawn")
"""As each of them is shown, where nothing becomes of what is done."""

FIRST_YES = (
    "asked question",
    "asked question",
    "expired Expired",
    "accepted told",
    "declined told",
    "expired told",
    "withdrawn told",
    "superseded told",
    "asked told",
    "withdrawn told",
)
"""Of Ben, who has not been asked yet."""
A_NO = ("declined Declined", "declined Declined", *FIRST_YES[2:8], "declined Declined", "withdrawn told")
"""Of Ben."""
CONFIRMED = ("asked question", "accepted Accepted", "expired Expired")
LEFT = ("sent", "sent left", "expired Expired")


class Case:
    def __init__(self, stall: Stall, quote: Quote, question: MessageId) -> None:
        self.stall = stall
        self.quote = quote
        self.message = quote.latest.message_id
        self.question = question
        """Anna's."""

    async def latest(self) -> Quote:
        return await self.stall.get(self.quote.quote_id)


@dataclass(frozen=True, slots=True)
class Way:
    """How Anna answers: the quote first, then the question of whether she means it."""

    accept: Callable[[Stall, Quote], Awaitable[None]]
    decline: Callable[[Stall, Quote], Awaitable[None]]
    confirm: Callable[[Stall, MessageId], Awaitable[None]]
    leave_open: Callable[[Stall, MessageId], Awaitable[None]]


async def reach(stall: Stall, state: str, way: Way) -> Case:
    quote = await stall.send(TOTAL)
    await way.accept(stall, quote)
    question = (await stall.question()).message_id
    match state:
        case "sent":
            await way.leave_open(stall, question)
        case "over":
            stall.clock.advance(14 * DAY)
        case "accepted":
            await way.confirm(stall, question)
        case "declined":
            await way.decline(stall, quote)
        case "expired":
            await stall.later(14 * DAY)
        case "withdrawn":
            await stall.withdraw(quote)
        case "superseded":
            await stall.revise(quote, 300_000, days=60)
        case "vendor left":
            await stall.leave(CHEF)
        case "vendor erased":
            await stall.erase(CHEF)
    return Case(stall, quote, question)


Act = Callable[[Case], Awaitable[None]]


async def check(
    act: Act,
    expected: tuple[str, ...],
    way: Way,
    *,
    by_poll: bool = False,
) -> None:
    """In each state, such as `expected` says: the state then, what is told, what is said, and a refusal's code."""
    for state, wanted in zip(STATES, expected, strict=True):
        async with quick_database() as database:
            case = await reach(await Stall(database, by_poll=by_poll).opened(), state, way)
            stall = case.stall
            told, said = await stall.events(), len(await stall.festimo())
            before = await stall.features.everything()
            code = []
            try:
                await act(case)
            except Refusal as refusal:
                code = [refusal.code]
                assert await stall.features.everything() == before, (state, "a refusal has changed something")
            words = (await stall.festimo())[said:]
            seen = [
                await stall.state(case.quote, 1),
                *(await stall.events())[len(told) :],
                *("question" for one in words if is_question(one)),
                *("told" for one in words if is_refusal(one)),
                *("left" for one in words if "stays open" in one.text),
                *code,
            ]
            assert " ".join(seen) == wanted, (state, [one.text for one in words])
