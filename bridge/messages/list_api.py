"""Read a conversation by REST: page by page, all of it or one of its threads."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field, ValidationInfo, field_validator

from bridge.conversations.absences import Seen
from bridge.conversations.access import Access
from bridge.conversations.model import Conversation
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, MessageId
from bridge.messages.api import PATH
from bridge.messages.listing import Listing, Wanted
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.messages.views import MessagePage, MessageViews
from bridge.storage.database import Database
from bridge.web.fields import Data, Id
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PAGE = 50


class Part(Data):
    """Which part of a conversation is read."""

    before: Annotated[Cursor | None, Field(description="`before` of a page: what was said before it")] = None
    before_message_id: Annotated[Id | None, Field(description="a message: what was said before it")] = None
    after: Annotated[Cursor | None, Field(description="`after` of a page: what was said after it")] = None
    thread_id: Annotated[
        Id | None, Field(description="the message that began a thread: only the answers in it")
    ] = None
    limit: Annotated[Limit, Field(description="messages of a page")] = PAGE

    @field_validator("before_message_id", "after")
    @classmethod
    def _one_direction(cls, place: str | None, info: ValidationInfo) -> str | None:
        if place is not None and any(
            info.data.get(other) is not None for other in ("before", "before_message_id")
        ):
            raise ValueError("Give one of `before`, `before_message_id` and `after`, and only one")
        return place


class ListOfMessages(Part):
    conversation_id: Id


LIST = Operation(
    method="GET",
    path=PATH,
    name="listMessages",
    summary="Read a conversation",
    description="Without a cursor: the newest page.",
    tag="messages",
    params=ListOfMessages,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of it.", MessagePage)},
    refusals=("not_found", "invalid_cursor"),
    roles=EVERYBODY,
    links={
        "listMessages": {
            "conversation_id": "$request.path.conversation_id",
            "after": "$response.body#/after",
        },
    },
)
OPERATIONS = (LIST,)


class MessageListApi:
    def __init__(
        self,
        database: Database,
        store: MessageStore,
        access: Access,
        views: MessageViews,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._store = store
        self._listing = Listing(store)
        self._access = access
        self._views = views
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.read(LIST, self.list),)

    async def list(self, caller: Caller, asked: ListOfMessages) -> Answer:
        stored = await self._access.to(self._database, caller, ConversationId(asked.conversation_id))
        conversation = stored.conversation
        conversation_id = conversation.conversation_id
        seen = await self._access.seen(self._database, caller, conversation_id)
        this_list = ("messages", caller.tenant_id, conversation_id, asked.thread_id)
        wanted = Wanted(
            conversation_id=conversation_id,
            thread=await self._named(conversation, asked.thread_id, seen=seen, field="thread_id"),
            seen_by=caller.participant_id,
            seen=seen,
        )
        after = 0
        if asked.after is not None:
            after = self._place(asked.after, this_list, field="after")
            found = await self._listing.following(self._database, wanted, after=after, limit=asked.limit)
        else:
            before = None if asked.before is None else self._place(asked.before, this_list, field="before")
            named = await self._named(
                conversation, asked.before_message_id, seen=seen, field="before_message_id"
            )
            before = before if named is None else named.position
            found = await self._listing.newest(self._database, wanted, before=before, limit=asked.limit)
        first = found[0].position if found else after + 1
        earlier = await self._listing.has_before(self._database, wanted, first)
        page = MessagePage(
            messages=await self._views.of(self._database, caller, found),
            before=self._cursors.at([first], of=this_list) if earlier else None,
            after=self._cursors.at([found[-1].position if found else after], of=this_list),
        )
        return answer(page)

    async def _named(
        self, conversation: Conversation, message_id: str | None, *, seen: Seen, field: str
    ) -> Message | None:
        """The message of the conversation that the request names, if it names one."""
        if message_id is None:
            return None
        found = await self._store.find(self._database, conversation.tenant_id, MessageId(message_id))
        if (
            found is None
            or found.conversation_id != conversation.conversation_id
            or not seen.includes(found.position)
        ):
            raise NotFound("There is no message with this id in this conversation.", field=field)
        return found

    def _place(self, cursor: str, this_list: Sequence[str | None], *, field: str) -> int:
        (position,) = self._cursors.place(cursor, of=this_list, field=field)
        return int(position)
