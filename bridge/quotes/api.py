"""Quotes by REST: send, look, revise, withdraw; accept, with the exact revision and total, and decline."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bridge.conversations.access import Access
from bridge.core.caller import EVERYBODY, STAFF, Caller
from bridge.core.clock import Clock
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, ParticipantId, QuoteId
from bridge.messages.errors import NOT_WRITABLE
from bridge.participants.rules import acting_as_somebody
from bridge.quotes.input import OfferToMake, QuoteToAccept, QuoteToDecline, QuoteToWithdraw
from bridge.quotes.model import Quote
from bridge.quotes.service import Quotes
from bridge.quotes.store import QuoteStore
from bridge.quotes.views import QuotePage, QuoteView, view_of
from bridge.storage.database import Database, Reader, Transaction
from bridge.web.fields import Data, Id
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

OF_CONVERSATION = "/api/v1/conversations/{conversation_id}/quotes"
ONE = "/api/v1/quotes/{quote_id}"
PAGE = 20


class QuotesOfConversation(Data):
    conversation_id: Id


class ListOfQuotes(QuotesOfConversation):
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="quotes of a page")] = PAGE


class OneQuote(Data):
    quote_id: Id


_OF_SOMEBODY = ("not_found", "not_a_participant", "not_yourself", *NOT_WRITABLE)
_OVER = ("quote_accepted", "quote_declined", "quote_expired", "quote_withdrawn", "quote_superseded")

SEND = Operation(
    method="POST",
    path=OF_CONVERSATION,
    name="sendQuote",
    summary="Offer something for a price",
    description="Festimo shows it in the conversation, and hosts answer there or here.",
    tag="quotes",
    params=QuotesOfConversation,
    body=OfferToMake,
    answers={
        HTTPStatus.CREATED: Says("It is on its way.", QuoteView, headers={"Location": "its address"}),
    },
    refusals=(*_OF_SOMEBODY, "quote_invalid", "too_many_quotes"),
    roles=STAFF | {"vendor"},
    sender="sender_id",
)
LIST = Operation(
    method="GET",
    path=OF_CONVERSATION,
    name="listQuotes",
    summary="List the quotes of a conversation",
    tag="quotes",
    params=ListOfQuotes,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", QuotePage)},
    refusals=("not_found", "invalid_cursor"),
    roles=EVERYBODY,
)
GET = Operation(
    method="GET",
    path=ONE,
    name="getQuote",
    summary="Look at a quote and what became of it",
    tag="quotes",
    params=OneQuote,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The quote, with all its revisions.", QuoteView)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
REVISE = Operation(
    method="POST",
    path=f"{ONE}/revisions",
    name="reviseQuote",
    summary="Offer something else in its place",
    description="The revision before can be answered no more. Also after a no, or when it has expired.",
    tag="quotes",
    params=OneQuote,
    body=OfferToMake,
    answers={HTTPStatus.CREATED: Says("It is on its way.", QuoteView)},
    refusals=(*_OF_SOMEBODY, "quote_invalid", "too_many_quotes", *_OVER),
    roles=STAFF | {"vendor"},
    sender="sender_id",
)
WITHDRAW = Operation(
    method="POST",
    path=f"{ONE}/withdraw",
    name="withdrawQuote",
    summary="Take a quote back",
    description="While it is open. The same again changes nothing more.",
    tag="quotes",
    params=OneQuote,
    body=QuoteToWithdraw,
    answers={HTTPStatus.OK: Says("Nobody can accept it any more.", QuoteView)},
    refusals=(*_OF_SOMEBODY, *_OVER),
    roles=STAFF | {"vendor"},
)
ACCEPT = Operation(
    method="POST",
    path=f"{ONE}/accept",
    name="acceptQuote",
    summary="Accept a quote",
    description="Of a host who has the exact revision and total before them: whoever names others is refused"
    " (`quote_differs`). By the same host the same again changes nothing more.",
    tag="quotes",
    params=OneQuote,
    body=QuoteToAccept,
    answers={HTTPStatus.OK: Says("It is accepted.", QuoteView)},
    refusals=(*_OF_SOMEBODY, "quote_differs", "vendor_gone", *_OVER),
    roles=STAFF | {"host"},
)
DECLINE = Operation(
    method="POST",
    path=f"{ONE}/decline",
    name="declineQuote",
    summary="Decline a quote",
    description="The vendor can send another revision. By the same host the same again changes nothing more.",
    tag="quotes",
    params=OneQuote,
    body=QuoteToDecline,
    answers={HTTPStatus.OK: Says("It is declined.", QuoteView)},
    refusals=(*_OF_SOMEBODY, "quote_differs", *_OVER),
    roles=STAFF | {"host"},
)
OPERATIONS = (SEND, LIST, GET, REVISE, WITHDRAW, ACCEPT, DECLINE)


class QuotesApi:
    def __init__(
        self,
        database: Database,
        quotes: Quotes,
        store: QuoteStore,
        access: Access,
        cursors: Cursors,
        clock: Clock,
    ) -> None:
        self._database = database
        self._quotes = quotes
        self._store = store
        self._access = access
        self._cursors = cursors
        self._clock = clock

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(SEND, self.send),
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(REVISE, self.revise),
            toolkit.write(WITHDRAW, self.withdraw),
            toolkit.write(ACCEPT, self.accept),
            toolkit.write(DECLINE, self.decline),
        )

    async def send(
        self, tx: Transaction, caller: Caller, asked: QuotesOfConversation, new: OfferToMake
    ) -> Answer:
        stored = await self._access.to(tx, caller, ConversationId(asked.conversation_id))
        by = _by(caller, new.sender_id)
        quote = await self._quotes.send(
            tx, stored.conversation, by=by, offer=new.offer(), valid_until=new.until
        )
        return self._answer(
            quote, status=HTTPStatus.CREATED, location=ONE.replace("{quote_id}", quote.quote_id)
        )

    async def list(self, caller: Caller, asked: ListOfQuotes) -> Answer:
        here = ConversationId(asked.conversation_id)
        await self._access.to(self._database, caller, here)
        this_list = ("quotes", caller.tenant_id, here)
        before = None
        if asked.cursor is not None:
            (place,) = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            before = int(place)
        found = await self._store.of_conversation(self._database, here, before=before, limit=asked.limit + 1)
        shown, more = found[: asked.limit], len(found) > asked.limit
        now = self._clock.now()
        return answer(
            QuotePage(
                quotes=[view_of(one, now=now) for one in shown],
                next_cursor=self._cursors.at([shown[-1].number], of=this_list) if more else None,
            )
        )

    async def get(self, caller: Caller, asked: OneQuote) -> Answer:
        return self._answer(await self._quote(self._database, caller, asked))

    async def revise(self, tx: Transaction, caller: Caller, asked: OneQuote, new: OfferToMake) -> Answer:
        quote = await self._quote(tx, caller, asked)
        by = _by(caller, new.sender_id)
        quote = await self._quotes.revise(tx, quote, by=by, offer=new.offer(), valid_until=new.until)
        return self._answer(quote, status=HTTPStatus.CREATED)

    async def withdraw(
        self, tx: Transaction, caller: Caller, asked: OneQuote, said: QuoteToWithdraw
    ) -> Answer:
        quote = await self._quote(tx, caller, asked)
        return self._answer(await self._quotes.withdraw(tx, quote, by=_by(caller, said.sender_id)))

    async def accept(self, tx: Transaction, caller: Caller, asked: OneQuote, said: QuoteToAccept) -> Answer:
        quote = await self._quotes.accept(
            tx,
            await self._quote(tx, caller, asked),
            by=_by(caller, said.sender_id),
            revision=said.revision,
            total=said.total,
            currency=said.currency,
        )
        return self._answer(quote)

    async def decline(self, tx: Transaction, caller: Caller, asked: OneQuote, said: QuoteToDecline) -> Answer:
        quote = await self._quote(tx, caller, asked)
        by = _by(caller, said.sender_id)
        return self._answer(await self._quotes.decline(tx, quote, by=by, revision=said.revision))

    async def _quote(self, reader: Reader, caller: Caller, asked: OneQuote) -> Quote:
        """If the caller may see its conversation; else raise `NotFound`."""
        quote = await self._store.find(reader, caller.tenant_id, QuoteId(asked.quote_id))
        if quote is None:
            raise no_quote()
        try:
            await self._access.to(reader, caller, quote.conversation_id)
        except NotFound:
            raise no_quote() from None
        return quote

    def _answer(
        self, quote: Quote, *, status: HTTPStatus = HTTPStatus.OK, location: str | None = None
    ) -> Answer:
        return answer(view_of(quote, now=self._clock.now()), status=status, location=location)


def no_quote() -> NotFound:
    return NotFound("There is no quote with this id.", field="quote_id")


def _by(caller: Caller, named: str | None) -> ParticipantId:
    return acting_as_somebody(caller, named, field="sender_id")
