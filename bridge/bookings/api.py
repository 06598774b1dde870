"""Bookings by REST: as the platform has told of them. Nobody changes one here."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bridge.bookings.model import Status
from bridge.bookings.store import BookingStore, Filter
from bridge.bookings.views import BookingPage, BookingView, view_of
from bridge.conversations.access import Access, member_of
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.errors import NotFound
from bridge.core.ids import BookingId, ConversationId, PartyId, VendorId
from bridge.storage.database import Database
from bridge.web.fields import Data, Id
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PATH = "/api/v1/bookings"
PAGE = 20


class OneBooking(Data):
    booking_id: Id


class Part(Data):
    status: Status | None = None
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="bookings of a page")] = PAGE


class ListOfBookings(Part):
    conversation_id: Id | None = None
    party_id: Id | None = None
    vendor_id: Id | None = None


class BookingsOfConversation(Part):
    conversation_id: Id


LIST = Operation(
    method="GET",
    path=PATH,
    name="listBookings",
    summary="List bookings, those that came last first",
    description="All of the tenant for programs and staff; to a person those of the conversations in which they take"
    " part.",
    tag="bookings",
    params=ListOfBookings,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", BookingPage)},
    refusals=("invalid_cursor",),
    roles=EVERYBODY,
)
LIST_OF = Operation(
    method="GET",
    path=f"{CONVERSATIONS}/{{conversation_id}}/bookings",
    name="listBookingsOfConversation",
    summary="List the bookings of a conversation",
    tag="bookings",
    params=BookingsOfConversation,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", BookingPage)},
    refusals=("not_found", "invalid_cursor"),
    roles=EVERYBODY,
)
GET = Operation(
    method="GET",
    path=f"{PATH}/{{booking_id}}",
    name="getBooking",
    summary="Look at a booking",
    description="As it is after all that was told of it and paid for it, in whatever order that came.",
    tag="bookings",
    params=OneBooking,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The booking.", BookingView)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
OPERATIONS = (LIST, LIST_OF, GET)


class BookingsApi:
    def __init__(self, database: Database, store: BookingStore, access: Access, cursors: Cursors) -> None:
        self._database = database
        self._store = store
        self._access = access
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.read(LIST, self.list),
            toolkit.read(LIST_OF, self.list_of),
            toolkit.read(GET, self.get),
        )

    async def list(self, caller: Caller, asked: ListOfBookings) -> Answer:
        here, party, vendor = asked.conversation_id, asked.party_id, asked.vendor_id
        wanted = Filter(
            conversation_id=None if here is None else ConversationId(here),
            party_id=None if party is None else PartyId(party),
            vendor_id=None if vendor is None else VendorId(vendor),
            status=asked.status,
            member=member_of(caller),
        )
        return answer(await self._page(caller, wanted, asked))

    async def list_of(self, caller: Caller, asked: BookingsOfConversation) -> Answer:
        here = ConversationId(asked.conversation_id)
        await self._access.to(self._database, caller, here)
        return answer(await self._page(caller, Filter(conversation_id=here, status=asked.status), asked))

    async def get(self, caller: Caller, asked: OneBooking) -> Answer:
        found = await self._store.find(self._database, caller.tenant_id, BookingId(asked.booking_id))
        if found is None:
            raise _no_booking()
        try:
            await self._access.to(self._database, caller, found.conversation_id)
        except NotFound:
            raise _no_booking() from None
        return answer(view_of(found))

    async def _page(self, caller: Caller, wanted: Filter, asked: Part) -> BookingPage:
        this_list = ("bookings", caller.tenant_id, *wanted.identity())
        before = None
        if asked.cursor is not None:
            created_at, booking_id = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            before = (int(created_at), str(booking_id))
        found = await self._store.newest(
            self._database, caller.tenant_id, wanted, before=before, limit=asked.limit + 1
        )
        shown = found[: asked.limit]
        next_cursor = None
        if len(found) > asked.limit:
            last = shown[-1]
            next_cursor = self._cursors.at((last.created_at, last.booking.booking_id), of=this_list)
        return BookingPage(bookings=[view_of(one) for one in shown], next_cursor=next_cursor)


def _no_booking() -> NotFound:
    return NotFound("There is no booking with this id.", field="booking_id")
