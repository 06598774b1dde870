"""Scheduled messages by REST: look at them, change or cancel them. They are made where messages are posted."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from bridge.core.caller import EVERYBODY, Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, MessageId
from bridge.messages.scheduled.model import Scheduled, Status
from bridge.messages.scheduled.service import Schedule
from bridge.messages.scheduled.store import Filter, ScheduledStore
from bridge.messages.scheduled.views import ScheduledMessageView, view_of
from bridge.participants.rules import acting
from bridge.storage.database import Database, Reader, Transaction
from bridge.web.fields import Data, Id, Text
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit
from bridge.web.times import Timestamp, milliseconds

PATH = "/api/v1/scheduled-messages"
ONE = f"{PATH}/{{scheduled_id}}"
PAGE = 50


class ListOfScheduled(Data):
    sender_id: Annotated[
        Id | None, Field(description="whose; left out: a person's own, or all of the tenant for programs")
    ] = None
    conversation_id: Id | None = None
    status: Annotated[
        Status | None, Field(description="left out: what can still be changed: scheduled and failed")
    ] = None
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="messages of a page")] = PAGE


class OneScheduled(Data):
    scheduled_id: Id


class ScheduledToChange(Data):
    text: Annotated[Text | None, Field(description="what it will say instead; of a text")] = None
    html: Annotated[Text | None, Field(description="the text, formatted; of no use without one")] = None
    send_at: Annotated[Timestamp | None, Field(description="when it will be said instead")] = None


class ScheduledPage(BaseModel):
    scheduled_messages: list[ScheduledMessageView] = Field(description="what is sent first, first")
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


LIST = Operation(
    method="GET",
    path=PATH,
    name="listScheduledMessages",
    summary="List what will be said later",
    description="A person's own; nobody else of the conversation sees them.",
    tag="messages",
    params=ListOfScheduled,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of it.", ScheduledPage)},
    refusals=("not_yourself", "invalid_cursor"),
    roles=EVERYBODY,
)
GET = Operation(
    method="GET",
    path=ONE,
    name="getScheduledMessage",
    summary="Look at what will be said later, or why it was not",
    tag="messages",
    params=OneScheduled,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The scheduled message.", ScheduledMessageView)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
PUT = Operation(
    method="PUT",
    path=ONE,
    name="changeScheduledMessage",
    summary="Change what will be said later, or when",
    description="What is left out stays as it is. What failed is scheduled once more, with a new `send_at`.",
    tag="messages",
    params=OneScheduled,
    body=ScheduledToChange,
    answers={HTTPStatus.OK: Says("It will be said so.", ScheduledMessageView)},
    refusals=(
        "not_found",
        "already_sent",
        "cancelled",
        "send_at_past",
        "send_at_too_far",
        "not_a_participant",
        "not_allowed",
        "conversation_closed",
        "conversation_blocked",
        "text_blank",
        "text_too_long",
        "not_text",
        "not_in_conversation",
        "message_deleted",
        "thread_in_thread",
        "other_thread",
    ),
    roles=EVERYBODY,
)
DELETE = Operation(
    method="DELETE",
    path=ONE,
    name="cancelScheduledMessage",
    summary="Do not say it after all",
    description="Until it is sent. The same again changes nothing more.",
    tag="messages",
    params=OneScheduled,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It is cancelled, and what it said is gone.", ScheduledMessageView)},
    refusals=("not_found", "already_sent"),
    roles=EVERYBODY,
)
OPERATIONS = (LIST, GET, PUT, DELETE)


class ScheduledApi:
    def __init__(
        self, database: Database, schedule: Schedule, store: ScheduledStore, cursors: Cursors
    ) -> None:
        self._database = database
        self._schedule = schedule
        self._store = store
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(PUT, self.change),
            toolkit.write(DELETE, self.cancel),
        )

    async def list(self, caller: Caller, asked: ListOfScheduled) -> Answer:
        wanted = Filter(
            tenant_id=caller.tenant_id,
            sender_id=acting(caller, asked.sender_id, field="sender_id"),
            conversation_id=None if asked.conversation_id is None else ConversationId(asked.conversation_id),
            status=asked.status,
        )
        of = ("scheduled", wanted.tenant_id, wanted.sender_id, wanted.conversation_id, wanted.status)
        after = None
        if asked.cursor is not None:
            send_at, position = self._cursors.place(asked.cursor, of=of, field="cursor")
            after = (int(send_at), int(position))
        found = await self._store.listed(self._database, wanted, after=after, limit=asked.limit + 1)
        shown = found[: asked.limit]
        more = len(found) > asked.limit
        next_cursor = self._cursors.at([shown[-1].send_at, shown[-1].position], of=of) if more else None
        views = [view_of(one) for one in shown]
        return answer(ScheduledPage(scheduled_messages=views, next_cursor=next_cursor))

    async def get(self, caller: Caller, asked: OneScheduled) -> Answer:
        return answer(view_of(await self._own(self._database, caller, asked)))

    async def change(
        self, tx: Transaction, caller: Caller, asked: OneScheduled, new: ScheduledToChange
    ) -> Answer:
        one = await self._own(tx, caller, asked)
        await self._schedule.change(
            tx,
            one.scheduled_id,
            text=new.text,
            html=new.html,
            send_at=None if new.send_at is None else milliseconds(new.send_at),
        )
        return answer(view_of(await self._own(tx, caller, asked)))

    async def cancel(self, tx: Transaction, caller: Caller, asked: OneScheduled, _: Nothing) -> Answer:
        one = await self._own(tx, caller, asked)
        await self._schedule.cancel(tx, one.scheduled_id)
        return answer(view_of(await self._own(tx, caller, asked)))

    async def _own(self, reader: Reader, caller: Caller, asked: OneScheduled) -> Scheduled:
        """Whoever it is not of, of a tenant's people, is told that it is not there."""
        one = await self._store.find(reader, caller.tenant_id, MessageId(asked.scheduled_id))
        if one is None or (caller.is_person and one.sender_id != caller.participant_id):
            raise NotFound("There is no scheduled message with this id.", field="scheduled_id")
        return one
