"""Leads by REST."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from bridge.conversations.access import Access, member_of
from bridge.core.caller import EVERYBODY, STAFF, Caller, CallerRole
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, LeadId, ParticipantId, VendorId
from bridge.leads.input import LeadChange, LeadToOpen
from bridge.leads.model import Lead, Outcome, Status
from bridge.leads.service import Leads
from bridge.leads.store import Filter, LeadStore
from bridge.messages.access import MessageAccess
from bridge.storage.database import Database, Reader, Transaction
from bridge.web.fields import Data, Id, Time, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PATH = "/api/v1/leads"
ONE = f"{PATH}/{{lead_id}}"
MESSAGE = f"{ONE}/messages/{{message_id}}"
PAGE = 20
VENDORS: frozenset[CallerRole] = STAFF | {"vendor"}
"""A host does not judge what their request has come to."""


class OneLead(Data):
    lead_id: Id


class OneMessage(OneLead):
    message_id: Id


class ListOfLeads(Data):
    status: Status | None = None
    vendor_id: Id | None = None
    host_id: Id | None = None
    conversation_id: Id | None = None
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="leads of a page")] = PAGE


class LeadView(BaseModel):
    lead_id: str
    title: str
    status: Status = Field(
        description="`new`; `answered` once the vendor said something since; `won` once something is booked; `lost`"
        " where the conversation is closed, blocked or deleted instead"
    )
    declared_status: Outcome | None = Field(description="what was said of it; it holds before all else")
    conversation_id: str
    message_id: str = Field(description="what began its thread: answer with this `thread_id`")
    vendor_id: str
    host_id: str
    service_type: str | None
    created_at: Time
    updated_at: Time


class LeadPage(BaseModel):
    leads: list[LeadView]
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


OPEN = Operation(
    method="POST",
    path=PATH,
    name="openLead",
    summary="Open a lead",
    description="A thread in the conversation of the host and the vendor, which is made or opened again if need be. One"
    " that is known is brought up to date, and has no second thread.",
    tag="leads",
    params=Nothing,
    body=LeadToOpen,
    answers={
        HTTPStatus.CREATED: Says("It was not known.", LeadView, {"Location": "its address"}),
        HTTPStatus.OK: Says("It is so now.", LeadView),
    },
    refusals=(
        "lead_elsewhere",
        "conversation_blocked",
        "text_blank",
        "text_too_long",
        "person_erased",
        "account_taken",
    ),
    roles=STAFF,
)
LIST = Operation(
    method="GET",
    path=PATH,
    name="listLeads",
    summary="List leads, the latest first",
    description="All of the tenant for programs and staff; to a person those of conversations in which they take part.",
    tag="leads",
    params=ListOfLeads,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", LeadPage)},
    refusals=("invalid_cursor",),
    roles=EVERYBODY,
)
GET = Operation(
    method="GET",
    path=ONE,
    name="getLead",
    summary="Look at a lead",
    tag="leads",
    params=OneLead,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The lead.", LeadView)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
CHANGE = Operation(
    method="PUT",
    path=ONE,
    name="changeLead",
    summary="Say what a lead has come to",
    description="It holds before what its conversation says, until null takes it back.",
    tag="leads",
    params=OneLead,
    body=LeadChange,
    answers={HTTPStatus.OK: Says("It is so.", LeadView)},
    refusals=("not_found",),
    roles=VENDORS,
)
LINK = Operation(
    method="PUT",
    path=MESSAGE,
    name="linkMessageToLead",
    summary="Say that a message belongs to a lead",
    description="What is in the lead's thread does by itself. A message belongs to one lead at most: the latest.",
    tag="leads",
    params=OneMessage,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It does.", LeadView)},
    refusals=("not_found", "not_in_conversation"),
    roles=VENDORS,
)
UNLINK = Operation(
    method="DELETE",
    path=MESSAGE,
    name="unlinkMessageFromLead",
    summary="Say that a message belongs to a lead no more",
    tag="leads",
    params=OneMessage,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It does not.", LeadView)},
    refusals=("not_found",),
    roles=VENDORS,
)
OPERATIONS = (OPEN, LIST, GET, CHANGE, LINK, UNLINK)


class LeadsApi:
    def __init__(
        self,
        database: Database,
        leads: Leads,
        store: LeadStore,
        access: Access,
        messages: MessageAccess,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._leads = leads
        self._store = store
        self._access = access
        self._messages = messages
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(OPEN, self.open),
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(CHANGE, self.change),
            toolkit.write(LINK, self.link),
            toolkit.write(UNLINK, self.unlink),
        )

    async def open(self, tx: Transaction, caller: Caller, _: Nothing, new: LeadToOpen) -> Answer:
        lead, made = await self._leads.open(tx, new.lead(caller.tenant_id))
        if not made:
            return answer(_view(lead))
        return answer(_view(lead), status=HTTPStatus.CREATED, location=f"{PATH}/{lead.lead_id}")

    async def list(self, caller: Caller, asked: ListOfLeads) -> Answer:
        person = member_of(caller)
        this_list = (
            *("leads", caller.tenant_id, person, asked.status, asked.vendor_id, asked.host_id),
            asked.conversation_id,
        )
        before = None
        if asked.cursor is not None:
            created_at, lead_id = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            before = (int(created_at), str(lead_id))
        found = await self._store.newest(
            self._database,
            caller.tenant_id,
            Filter(
                status=asked.status,
                vendor_id=None if asked.vendor_id is None else VendorId(asked.vendor_id),
                host_id=None if asked.host_id is None else ParticipantId(asked.host_id),
                conversation_id=None
                if asked.conversation_id is None
                else ConversationId(asked.conversation_id),
                member=person,
            ),
            before=before,
            limit=asked.limit + 1,
        )
        shown, next_cursor = found[: asked.limit], None
        if len(found) > asked.limit:
            next_cursor = self._cursors.at((shown[-1].created_at, shown[-1].lead_id), of=this_list)
        return answer(LeadPage(leads=[_view(lead) for lead in shown], next_cursor=next_cursor))

    async def get(self, caller: Caller, asked: OneLead) -> Answer:
        return answer(_view(await self._lead(self._database, caller, asked)))

    async def change(self, tx: Transaction, caller: Caller, asked: OneLead, new: LeadChange) -> Answer:
        lead = await self._lead(tx, caller, asked)
        return answer(_view(await self._leads.declare(tx, lead, new.status)))

    async def link(self, tx: Transaction, caller: Caller, asked: OneMessage, _: Nothing) -> Answer:
        lead = await self._lead(tx, caller, asked)
        message = await self._messages.message(tx, caller, asked.message_id)
        await self._leads.link(tx, lead, message)
        return answer(_view(await self._lead(tx, caller, asked)))

    async def unlink(self, tx: Transaction, caller: Caller, asked: OneMessage, _: Nothing) -> Answer:
        lead = await self._lead(tx, caller, asked)
        message = await self._messages.message(tx, caller, asked.message_id)
        await self._leads.unlink(tx, lead, message)
        return answer(_view(await self._lead(tx, caller, asked)))

    async def _lead(self, reader: Reader, caller: Caller, asked: OneLead) -> Lead:
        """If the caller may see its conversation; else raise `NotFound`."""
        lead = await self._store.get(reader, caller.tenant_id, LeadId(asked.lead_id))
        if lead is not None:
            try:
                if caller.is_person:
                    await self._access.to(reader, caller, lead.conversation_id)
                return lead
            except NotFound:
                pass
        raise NotFound("There is no lead with this id.", field="lead_id")


def _view(lead: Lead) -> LeadView:
    return LeadView(
        lead_id=lead.lead_id,
        title=lead.title,
        status=lead.status,
        declared_status=lead.declared,
        conversation_id=lead.conversation_id,
        message_id=lead.message_id,
        vendor_id=lead.vendor_id,
        host_id=lead.host_id,
        service_type=lead.service_type,
        created_at=rfc3339(lead.created_at),
        updated_at=rfc3339(lead.updated_at),
    )
