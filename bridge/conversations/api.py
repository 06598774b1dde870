"""Conversations by REST: open one, look at one, list them."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bridge.conversations.access import Access, member_of
from bridge.conversations.change_input import ContextAndTitle
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.listing import Filter, newest
from bridge.conversations.model import Status, Type
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationPage, ConversationView, ConversationViews
from bridge.core.caller import EVERYBODY, STAFF, Caller
from bridge.core.errors import NotFound
from bridge.core.ids import BookingId, ConversationId, ParticipantId, PartyId, VendorId
from bridge.participants.input import Party, Vendor
from bridge.participants.rules import acting, acting_as_somebody
from bridge.storage.database import Database, Transaction
from bridge.web.fields import Data, Flag, Id, Reference
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PATH = "/api/v1/conversations"
SIBLINGS = ("inquiries", "groups", "support", "unread")
"""What is no conversation's id, but a path of its own."""
PAGE = 20
NOBODY = ParticipantId("")
"""No participant's id."""

_CURSOR = Field(description="`next_cursor` of the page before")
_LIMIT = Field(description="conversations of a page")
_STATUS = Field(description="left out: any but `archived`")
_WHOSE = Field(description="those in which this participant takes part; a person may ask for their own only")
_FLAG = Field(description="whether the participant has something unread in them")
_OF_WHOSE = Field(
    description="by the settings of the person who asks, or of `participant_id`; else it finds nothing"
)


class NewConversation(ContextAndTitle):
    """People are told apart by `id`; what is known of them already is brought up to date. All else is of a conversation
    that is made; one that is there stays as it is, and is changed by `PUT`."""

    party: Party
    vendor: Annotated[Vendor | None, Field(description="left out: the party's own, with Festimo")] = None


class OneConversation(Data):
    conversation_id: Id


class ListOfConversations(Data):
    type: Type | None = None
    status: Annotated[Status | None, _STATUS] = None
    party_id: Id | None = None
    vendor_id: Id | None = None
    booking_id: Id | None = None
    event_id: Reference | None = None
    participant_id: Annotated[Id | None, _WHOSE] = None
    has_unread: Annotated[Flag | None, _FLAG] = None
    is_pinned: Annotated[Flag | None, _OF_WHOSE] = None
    is_muted: Annotated[Flag | None, _OF_WHOSE] = None
    cursor: Annotated[Cursor | None, _CURSOR] = None
    limit: Annotated[Limit, _LIMIT] = PAGE


class ListOfParty(Data):
    party_id: Id
    status: Annotated[Status | None, _STATUS] = None
    cursor: Annotated[Cursor | None, _CURSOR] = None
    limit: Annotated[Limit, _LIMIT] = PAGE


_ID = "$response.body#/conversation_id"
LINKS = {
    "getConversation": {"conversation_id": _ID},
    "listMessages": {"conversation_id": _ID},
    "postMessage": {"conversation_id": _ID},
}

OPEN = Operation(
    method="POST",
    path=PATH,
    name="openConversation",
    summary="Open a party's conversation with a vendor",
    description="There is one per party and vendor: whoever asks again gets the same. Missing people are added;"
    " whatever else is said of one that is there changes nothing: change it by `PUT`.",
    tag="conversations",
    params=Nothing,
    body=NewConversation,
    answers={
        HTTPStatus.CREATED: Says("It was made.", ConversationView, {"Location": "its address"}),
        HTTPStatus.OK: Says("It was there already.", ConversationView),
    },
    refusals=("person_erased", "account_taken"),
    roles=STAFF,
    links=LINKS | {"listConversationsOfParty": {"party_id": "$response.body#/party_id"}},
)
LIST = Operation(
    method="GET",
    path=PATH,
    name="listConversations",
    summary="List conversations, newest first",
    description="A person's own; all of the tenant for programs and staff.",
    tag="conversations",
    params=ListOfConversations,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", ConversationPage)},
    refusals=("invalid_cursor", "not_yourself"),
    roles=EVERYBODY,
)
GET = Operation(
    method="GET",
    path=f"{PATH}/{{conversation_id}}",
    name="getConversation",
    summary="Look at a conversation",
    tag="conversations",
    params=OneConversation,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The conversation.", ConversationView)},
    refusals=("not_found",),
    siblings=SIBLINGS,
    roles=EVERYBODY,
)
LIST_OF_PARTY = Operation(
    method="GET",
    path="/api/v1/parties/{party_id}/conversations",
    name="listConversationsOfParty",
    summary="List a party's conversations, newest first",
    description="Those in which a person takes part; all for programs and staff.",
    tag="conversations",
    params=ListOfParty,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", ConversationPage)},
    refusals=("not_found", "invalid_cursor"),
    roles=EVERYBODY,
)
OPERATIONS = (OPEN, LIST, GET, LIST_OF_PARTY)


class ConversationsApi:
    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        changes: ConversationChanges,
        store: ConversationStore,
        access: Access,
        views: ConversationViews,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._changes = changes
        self._store = store
        self._access = access
        self._views = views
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(OPEN, self.open),
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.read(LIST_OF_PARTY, self.list_of_party),
        )

    async def open(self, tx: Transaction, caller: Caller, _: Nothing, new: NewConversation) -> Answer:
        conversation, made = await self._conversations.get_or_make(
            tx,
            tenant_id=caller.tenant_id,
            party_id=PartyId(new.party.id),
            party_title=new.party.title,
            hosts=[host.participant(caller.tenant_id) for host in new.party.hosts],
            vendor=None if new.vendor is None else new.vendor.participant(caller.tenant_id),
        )
        if made:
            await self._changes.begin(
                tx, conversation, changed=new.of, described=new.of_details, booking_ids=new.linked
            )
        stored = await self._store.find(tx, caller.tenant_id, conversation.conversation_id)
        assert stored is not None
        (view,) = await self._views.of(tx, [stored])
        if not made:
            return answer(view)
        return answer(view, status=HTTPStatus.CREATED, location=f"{PATH}/{conversation.conversation_id}")

    async def get(self, caller: Caller, asked: OneConversation) -> Answer:
        stored = await self._access.to(self._database, caller, ConversationId(asked.conversation_id))
        (view,) = await self._views.of(self._database, [stored], person=member_of(caller))
        return answer(view)

    async def list(self, caller: Caller, asked: ListOfConversations) -> Answer:
        act = acting if asked.has_unread is None else acting_as_somebody
        person = act(caller, asked.participant_id, field="participant_id")
        if person is None and (asked.is_pinned, asked.is_muted) != (None, None):
            person = NOBODY
        wanted = Filter(
            type=asked.type,
            status=asked.status,
            party_id=None if asked.party_id is None else PartyId(asked.party_id),
            vendor_id=None if asked.vendor_id is None else VendorId(asked.vendor_id),
            booking_id=None if asked.booking_id is None else BookingId(asked.booking_id),
            event_id=asked.event_id,
            member=person,
            has_unread=asked.has_unread,
            is_pinned=asked.is_pinned,
            is_muted=asked.is_muted,
        )
        return await self._page(caller, wanted, cursor=asked.cursor, limit=asked.limit)

    async def list_of_party(self, caller: Caller, asked: ListOfParty) -> Answer:
        wanted = Filter(status=asked.status, party_id=PartyId(asked.party_id), member=member_of(caller))
        everything = replace(wanted, status=None, archive=True)
        if not await newest(self._database, caller.tenant_id, everything, before=None, limit=1):
            raise NotFound(
                "No party with this id has a conversation. Open one, or check the id.", field="party_id"
            )
        return await self._page(caller, wanted, cursor=asked.cursor, limit=asked.limit)

    async def _page(self, caller: Caller, wanted: Filter, *, cursor: str | None, limit: int) -> Answer:
        tenant_id = caller.tenant_id
        this_list = ("conversations", tenant_id, *wanted.identity())
        before = None
        if cursor is not None:
            created_at, conversation_id = self._cursors.place(cursor, of=this_list, field="cursor")
            before = (int(created_at), str(conversation_id))
        found = await newest(self._database, tenant_id, wanted, before=before, limit=limit + 1)
        shown = found[:limit]
        next_cursor = None
        if len(found) > limit:
            last = shown[-1].conversation
            next_cursor = self._cursors.at((last.created_at, last.conversation_id), of=this_list)
        views = await self._views.of(self._database, shown, person=wanted.member)
        return answer(ConversationPage(conversations=views, next_cursor=next_cursor))
