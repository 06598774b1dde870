"""Quick replies by REST. They are said where messages are posted."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from bridge.conversations.access import member_of
from bridge.core.caller import EVERYBODY, Caller
from bridge.messages.quick_replies import rules
from bridge.messages.quick_replies.model import QuickReply, Wording
from bridge.messages.quick_replies.service import QuickReplies
from bridge.participants.rules import acting
from bridge.storage.database import Database, Reader, Transaction
from bridge.web.fields import Data, Id, Name, Text, Time, Title, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PATH = "/api/v1/quick-replies"
ONE = f"{PATH}/{{quick_reply_id}}"
PAGE = 50

_VARIABLES = ", ".join(f"{{{{{name}}}}}" for name in rules.VARIABLES)


class QuickReplyWording(Data):
    title: Annotated[Title, Field(description="by which people find it")]
    text: Annotated[
        Text, Field(description=f"what it says; in it {_VARIABLES} stand for what differs each time")
    ]
    category: Name | None = None

    def wording(self) -> Wording:
        return Wording(title=self.title, text=self.text, category=self.category)


class QuickReplyToMake(QuickReplyWording):
    owner_id: Annotated[
        Id | None,
        Field(
            description="whose it is; left out: a person's own, or, by a program or staff, everybody's of the tenant"
        ),
    ] = None


class OneQuickReply(Data):
    quick_reply_id: Id


class ListOfQuickReplies(Data):
    owner_id: Annotated[
        Id | None,
        Field(description="whose, besides everybody's; a person may leave it out: it is their own"),
    ] = None
    category: Name | None = None
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="quick replies of a page")] = PAGE


class QuickReplyView(BaseModel):
    quick_reply_id: str
    owner_id: str | None = Field(description="whose it is alone; null: everybody's of the tenant")
    title: str
    text: str
    category: str | None
    variables: list[str] = Field(description="that stand in the text, in the order in which they come")
    created_at: Time
    updated_at: Time


class QuickReplyPage(BaseModel):
    quick_replies: list[QuickReplyView] = Field(description="in the order in which they were made")
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


POST = Operation(
    method="POST",
    path=PATH,
    name="createQuickReply",
    summary="Keep a quick reply",
    description="A text that is said often; its variables are filled in when it is said, by `quick_reply_id` in place"
    " of the `text` of a message.",
    tag="messages",
    params=Nothing,
    body=QuickReplyToMake,
    answers={HTTPStatus.CREATED: Says("It is kept.", QuickReplyView, {"Location": "its address"})},
    refusals=("not_yourself", "unknown_variable", "too_many_quick_replies"),
    roles=EVERYBODY,
    links={"getQuickReply": {"quick_reply_id": "$response.body#/quick_reply_id"}},
)
LIST = Operation(
    method="GET",
    path=PATH,
    name="listQuickReplies",
    summary="List quick replies",
    description="A person's own, and those that are everybody's.",
    tag="messages",
    params=ListOfQuickReplies,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", QuickReplyPage)},
    refusals=("not_yourself", "invalid_cursor"),
    roles=EVERYBODY,
)
GET = Operation(
    method="GET",
    path=ONE,
    name="getQuickReply",
    summary="Look at a quick reply",
    tag="messages",
    params=OneQuickReply,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The quick reply.", QuickReplyView)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
PUT = Operation(
    method="PUT",
    path=ONE,
    name="changeQuickReply",
    summary="Give a quick reply another wording",
    description="People change their own, programs and staff all. What was said with it stays as it is.",
    tag="messages",
    params=OneQuickReply,
    body=QuickReplyWording,
    answers={HTTPStatus.OK: Says("It says so now.", QuickReplyView)},
    refusals=("not_found", "not_allowed", "unknown_variable"),
    roles=EVERYBODY,
)
DELETE = Operation(
    method="DELETE",
    path=ONE,
    name="deleteQuickReply",
    summary="Keep a quick reply no longer",
    description="People delete their own, programs and staff all. What was said with it stays as it is.",
    tag="messages",
    params=OneQuickReply,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It is gone; this was it.", QuickReplyView)},
    refusals=("not_found", "not_allowed"),
    roles=EVERYBODY,
)
OPERATIONS = (POST, LIST, GET, PUT, DELETE)


class QuickRepliesApi:
    def __init__(self, database: Database, quick_replies: QuickReplies, cursors: Cursors) -> None:
        self._database = database
        self._quick_replies = quick_replies
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(POST, self.make),
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(PUT, self.change),
            toolkit.write(DELETE, self.delete),
        )

    async def make(self, tx: Transaction, caller: Caller, _: Nothing, new: QuickReplyToMake) -> Answer:
        owner_id = acting(caller, new.owner_id, field="owner_id")
        made = await self._quick_replies.make(tx, caller.tenant_id, owner_id, new.wording())
        location = ONE.format(quick_reply_id=made.quick_reply_id)
        return answer(_view(made), status=HTTPStatus.CREATED, location=location)

    async def list(self, caller: Caller, asked: ListOfQuickReplies) -> Answer:
        owner_id = acting(caller, asked.owner_id, field="owner_id")
        this_list = ("quick replies", caller.tenant_id, owner_id, asked.category)
        after = 0
        if asked.cursor is not None:
            (place,) = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            after = int(place)
        # All of them are opened, as their categories are sealed: there are no more than `rules.MOST` of an owner.
        found = [
            one
            for one in await self._quick_replies.of(self._database, caller.tenant_id, owner_id)
            if one.position > after and asked.category in (None, one.wording.category)
        ]
        shown = found[: asked.limit]
        more = len(found) > asked.limit
        next_cursor = self._cursors.at([shown[-1].position], of=this_list) if more else None
        views = [_view(one) for one in shown]
        return answer(QuickReplyPage(quick_replies=views, next_cursor=next_cursor))

    async def get(self, caller: Caller, asked: OneQuickReply) -> Answer:
        return answer(_view(await self._found(self._database, caller, asked)))

    async def change(
        self, tx: Transaction, caller: Caller, asked: OneQuickReply, new: QuickReplyWording
    ) -> Answer:
        one = await self._found(tx, caller, asked)
        changed = await self._quick_replies.change(tx, one, new.wording(), person=member_of(caller))
        return answer(_view(changed))

    async def delete(self, tx: Transaction, caller: Caller, asked: OneQuickReply, _: Nothing) -> Answer:
        one = await self._found(tx, caller, asked)
        await self._quick_replies.delete(tx, one, person=member_of(caller))
        return answer(_view(one))

    async def _found(self, reader: Reader, caller: Caller, asked: OneQuickReply) -> QuickReply:
        return await self._quick_replies.get(
            reader, caller.tenant_id, asked.quick_reply_id, person=member_of(caller)
        )


def _view(one: QuickReply) -> QuickReplyView:
    return QuickReplyView(
        quick_reply_id=one.quick_reply_id,
        owner_id=one.owner_id,
        title=one.wording.title,
        text=one.wording.text,
        category=one.wording.category,
        variables=list(rules.variables_of(one.wording.text)),
        created_at=rfc3339(one.created_at),
        updated_at=rfc3339(one.updated_at),
    )
