"""Does what a vendor writes about quotes into the conversation; or says what is wrong with it, with an example."""

from bridge.conversations.model import Conversation
from bridge.core.clock import Clock
from bridge.core.errors import Refusal
from bridge.core.ids import ParticipantId
from bridge.quotes.errors import QuoteInvalid
from bridge.quotes.model import OPEN, Quote
from bridge.quotes.rules import MOST_QUOTES, state_at
from bridge.quotes.service import Quotes
from bridge.quotes.store import QuoteStore
from bridge.quotes.written import EXAMPLE, REVISE, WITHDRAW, Asked, asked, offer_in
from bridge.storage.database import Transaction

HELP = f"A quote goes like this, each item with the price of one:\n{EXAMPLE}"


class QuoteDesk:
    def __init__(self, quotes: Quotes, store: QuoteStore, clock: Clock) -> None:
        self._quotes = quotes
        self._store = store
        self._clock = clock

    async def write(
        self, tx: Transaction, conversation: Conversation, *, by: ParticipantId, rest: str
    ) -> str | None:
        """`rest`: what stands behind the command's name. Return what to answer; None where the quote says it all."""
        if not rest.strip() or rest.strip().lower() == "help":
            return f"{HELP}\nAnother revision of it: {REVISE} and so on. To take it back: {WITHDRAW}"
        try:
            await self._do(tx, conversation, by, asked(rest))
        except QuoteInvalid as refusal:  # which comes before anything is written
            return f"Nothing was sent. {refusal.detail}\n{HELP}"
        except Refusal as refusal:
            return refusal.detail
        return None

    async def _do(self, tx: Transaction, conversation: Conversation, by: ParticipantId, what: Asked) -> None:
        now = self._clock.now()
        if what.what == "send":
            offer, valid_until = offer_in(what.body, now=now)
            await self._quotes.send(tx, conversation, by=by, offer=offer, valid_until=valid_until)
            return
        quote = await self._meant(tx, conversation, by, what)
        if what.what == "withdraw":
            await self._quotes.withdraw(tx, quote, by=by)
            return
        offer, valid_until = offer_in(what.body, now=now, former=quote.latest.offer)
        await self._quotes.revise(tx, quote, by=by, offer=offer, valid_until=valid_until)

    async def _meant(
        self, tx: Transaction, conversation: Conversation, by: ParticipantId, what: Asked
    ) -> Quote:
        """The one that they name; or their only one that is open, or their only one at all."""
        here = conversation.conversation_id
        theirs = [
            one
            for one in await self._store.of_conversation(tx, here, limit=MOST_QUOTES)
            if one.vendor_id == by
        ]
        if what.number is not None:
            named = [one for one in theirs if one.number == what.number]
            if not named:
                raise QuoteInvalid(f"You have no quote {what.number} in this conversation.")
            return named[0]
        if not theirs:
            raise QuoteInvalid("You have sent no quote in this conversation yet.")
        is_open = [one for one in theirs if state_at(one.latest, now=self._clock.now()) in OPEN]
        for some in (is_open, theirs):
            if len(some) == 1:
                return some[0]
        numbers = ", ".join(str(one.number) for one in reversed(is_open or theirs))
        raise QuoteInvalid(f"You have several quotes here: {numbers}. Say which, as in “{REVISE}”.")
