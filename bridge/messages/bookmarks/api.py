"""Bookmarks by REST: a person's own, or by a program for one it names."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from bridge.conversations.store import ConversationStore
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.ids import ParticipantId
from bridge.messages.access import MessageAccess
from bridge.messages.bookmarks.store import BookmarkStore
from bridge.messages.errors import NotAParticipant
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageView, MessageViews
from bridge.participants.rules import acting_as_somebody
from bridge.storage.database import Database, Transaction
from bridge.web.fields import Data, Id
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PATH = "/api/v1/messages/{message_id}/bookmark"
PAGE = 50

_WHOSE = Field(description="whose bookmark; a person may leave it out: it is their own")


class MessageToMark(Data):
    message_id: Id
    participant_id: Annotated[Id | None, _WHOSE] = None


class ListOfBookmarks(Data):
    participant_id: Annotated[Id | None, _WHOSE] = None
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="messages of a page")] = PAGE


class BookmarkPage(BaseModel):
    messages: list[MessageView] = Field(description="the one marked last first")
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


_REFUSALS = ("not_found", "not_a_participant", "not_yourself")

MARK = Operation(
    method="PUT",
    path=PATH,
    name="bookmarkMessage",
    summary="Mark a message for oneself",
    description="Nobody else sees it, nor does the room. The same again changes nothing more.",
    tag="messages",
    params=MessageToMark,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It is marked.", MessageView)},
    refusals=_REFUSALS,
    roles=EVERYBODY,
)
UNMARK = Operation(
    method="DELETE",
    path=PATH,
    name="removeBookmark",
    summary="Take a bookmark away",
    description="The same again changes nothing more.",
    tag="messages",
    params=MessageToMark,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It is marked no longer.", MessageView)},
    refusals=_REFUSALS,
    roles=EVERYBODY,
)
LIST = Operation(
    method="GET",
    path="/api/v1/bookmarks",
    name="listBookmarks",
    summary="List what somebody has marked",
    description="Of the conversations in which they take part.",
    tag="messages",
    params=ListOfBookmarks,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of it.", BookmarkPage)},
    refusals=("not_yourself", "invalid_cursor"),
    roles=EVERYBODY,
)
OPERATIONS = (MARK, UNMARK, LIST)


class BookmarksApi:
    def __init__(
        self,
        database: Database,
        store: BookmarkStore,
        messages: MessageStore,
        conversations: ConversationStore,
        access: MessageAccess,
        views: MessageViews,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._store = store
        self._messages = messages
        self._conversations = conversations
        self._access = access
        self._views = views
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(MARK, self.mark),
            toolkit.write(UNMARK, self.unmark),
            toolkit.read(LIST, self.list),
        )

    async def mark(self, tx: Transaction, caller: Caller, asked: MessageToMark, _: Nothing) -> Answer:
        message, whose = await self._asked(tx, caller, asked)
        await self._store.put(tx, message, whose)
        return answer(await self._views.one(tx, caller, message, me=whose))

    async def unmark(self, tx: Transaction, caller: Caller, asked: MessageToMark, _: Nothing) -> Answer:
        message, whose = await self._asked(tx, caller, asked)
        await self._store.delete(tx, message, whose)
        return answer(await self._views.one(tx, caller, message, me=whose))

    async def list(self, caller: Caller, asked: ListOfBookmarks) -> Answer:
        whose = acting_as_somebody(caller, asked.participant_id, field="participant_id")
        this_list = ("bookmarks", caller.tenant_id, whose)
        before = None
        if asked.cursor is not None:
            (place,) = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            before = int(place)
        found = await self._store.newest(
            self._database, caller.tenant_id, whose, before=before, limit=asked.limit + 1
        )
        shown = found[: asked.limit]
        messages = []
        for _, message_id in shown:
            message = await self._messages.find(self._database, caller.tenant_id, message_id)
            assert message is not None, "messages are not removed"
            messages.append(message)
        views = await self._views.of(self._database, caller, messages, me=whose)
        more = len(found) > asked.limit
        next_cursor = self._cursors.at([shown[-1][0]], of=this_list) if more else None
        return answer(BookmarkPage(messages=views, next_cursor=next_cursor))

    async def _asked(
        self, tx: Transaction, caller: Caller, asked: MessageToMark
    ) -> tuple[Message, ParticipantId]:
        message = await self._access.message(tx, caller, asked.message_id)
        whose = acting_as_somebody(caller, asked.participant_id, field="participant_id")
        if not await self._conversations.is_member(tx, message.conversation_id, whose):
            raise NotAParticipant(
                f"{whose} takes no part in this conversation, so there is nothing in it for them to mark.",
                field="participant_id",
            )
        return message, whose
