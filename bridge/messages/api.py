"""Messages by REST: say something, change or delete it, read what was said, follow what became of a message."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field, ValidationInfo, field_validator

from bridge.conversations.access import Access
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.conversations.model import Conversation
from bridge.core.caller import Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.messages.changes import MessageChanges
from bridge.messages.model import Message
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.messages.views import MessagePage, MessageView, view_of
from bridge.storage.database import Database, Reader, Transaction
from bridge.web.fields import Data, Id, Text
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PATH = f"{CONVERSATIONS}/{{conversation_id}}/messages"
ONE = "/api/v1/messages/{message_id}"
PAGE = 50


class MessageToPost(Data):
    sender_id: Annotated[Id, Field(description="who says it: one of the conversation's participants")]
    text: Text


class MessageToEdit(Data):
    sender_id: Annotated[Id, Field(description="who edits it: only who said it can")]
    text: Text


class OfConversation(Data):
    conversation_id: Id


class ListOfMessages(Data):
    conversation_id: Id
    before: Annotated[Cursor | None, Field(description="`before` of a page: what was said before it")] = None
    after: Annotated[Cursor | None, Field(description="`after` of a page: what was said after it")] = None
    limit: Annotated[Limit, Field(description="messages of a page")] = PAGE

    @field_validator("after")
    @classmethod
    def _one_direction(cls, after: str | None, info: ValidationInfo) -> str | None:
        if after is not None and info.data.get("before") is not None:
            raise ValueError("Give `before` or `after`, not both")
        return after


class OneMessage(Data):
    message_id: Id


class MessageToDelete(OneMessage):
    sender_id: Annotated[
        Id | None,
        Field(description="who deletes it, having said it; left out: the platform's staff, who always may"),
    ] = None


POST = Operation(
    method="POST",
    path=PATH,
    name="postMessage",
    summary="Say something as a participant",
    description="The message is on disk with the answer and on its way to the room; `status` follows it.",
    tag="messages",
    params=OfConversation,
    body=MessageToPost,
    answers={
        HTTPStatus.CREATED: Says("It will be delivered.", MessageView, {"Location": "its address"}),
    },
    refusals=("not_found", "not_a_participant", "text_blank", "text_too_long"),
    sender="sender_id",
    links={
        "getMessage": {"message_id": "$response.body#/message_id"},
        "listMessages": {"conversation_id": "$response.body#/conversation_id"},
    },
)
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
    links={
        "listMessages": {
            "conversation_id": "$request.path.conversation_id",
            "after": "$response.body#/after",
        },
    },
)
GET = Operation(
    method="GET",
    path=ONE,
    name="getMessage",
    summary="Look at a message, and what became of it",
    tag="messages",
    params=OneMessage,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The message.", MessageView)},
    refusals=("not_found",),
)
PUT = Operation(
    method="PUT",
    path=ONE,
    name="editMessage",
    summary="Change what a message says",
    description="By who said it through this API, for 15 minutes. Everybody in the room sees the new text, marked as"
    " edited. The same again changes nothing more.",
    tag="messages",
    params=OneMessage,
    body=MessageToEdit,
    answers={HTTPStatus.OK: Says("It says so now, and is on its way to the room.", MessageView)},
    refusals=(
        "not_found",
        "not_the_sender",
        "edit_window_closed",
        "message_deleted",
        "written_in_client",
        "text_blank",
        "text_too_long",
    ),
)
DELETE = Operation(
    method="DELETE",
    path=ONE,
    name="deleteMessage",
    summary="Delete a message for everyone",
    description="By who said it, for an hour; by the platform's staff, always. What it said is gone, here at once and"
    " soon in the room; that it was said stays. The same again changes nothing more.",
    tag="messages",
    params=MessageToDelete,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It is deleted.", MessageView)},
    refusals=("not_found", "not_the_sender", "delete_window_closed"),
)
OPERATIONS = (POST, LIST, GET, PUT, DELETE)


class MessagesApi:
    def __init__(
        self,
        database: Database,
        messages: Messages,
        changes: MessageChanges,
        store: MessageStore,
        access: Access,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._messages = messages
        self._changes = changes
        self._store = store
        self._access = access
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(POST, self.post),
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(PUT, self.edit),
            toolkit.write(DELETE, self.delete),
        )

    async def post(
        self, tx: Transaction, caller: Caller, asked: OfConversation, new: MessageToPost
    ) -> Answer:
        conversation = await self._conversation(tx, caller, asked.conversation_id)
        message_id = await self._messages.post(
            tx, conversation, sender_id=ParticipantId(new.sender_id), text=new.text
        )
        message = await self._store.get(tx, message_id)
        assert message is not None
        location = ONE.format(message_id=message_id)
        return answer(view_of(message), status=HTTPStatus.CREATED, location=location)

    async def get(self, caller: Caller, asked: OneMessage) -> Answer:
        return answer(view_of(await self._message(self._database, caller, asked)))

    async def edit(self, tx: Transaction, caller: Caller, asked: OneMessage, new: MessageToEdit) -> Answer:
        message = await self._message(tx, caller, asked)
        await self._changes.edit(tx, message, sender_id=ParticipantId(new.sender_id), text=new.text)
        return answer(view_of(await self._message(tx, caller, asked)))

    async def delete(self, tx: Transaction, caller: Caller, asked: MessageToDelete, _: Nothing) -> Answer:
        message = await self._message(tx, caller, asked)
        by = None if asked.sender_id is None else ParticipantId(asked.sender_id)
        await self._changes.delete(tx, message, sender_id=by)
        return answer(view_of(await self._message(tx, caller, asked)))

    async def list(self, caller: Caller, asked: ListOfMessages) -> Answer:
        conversation = await self._conversation(self._database, caller, asked.conversation_id)
        conversation_id = conversation.conversation_id
        this_list = ("messages", caller.tenant_id, conversation_id)
        after = 0
        if asked.after is not None:
            after = self._place(asked.after, this_list, field="after")
            found = await self._store.history(self._database, conversation_id, after=after, limit=asked.limit)
        else:
            before = None if asked.before is None else self._place(asked.before, this_list, field="before")
            found = await self._store.newest(
                self._database, conversation_id, before=before, limit=asked.limit
            )
        first = found[0].position if found else after + 1
        earlier = await self._store.has_before(self._database, conversation_id, first)
        page = MessagePage(
            messages=[view_of(message) for message in found],
            before=self._cursors.at([first], of=this_list) if earlier else None,
            after=self._cursors.at([found[-1].position if found else after], of=this_list),
        )
        return answer(page)

    def _place(self, cursor: str, this_list: Sequence[str], *, field: str) -> int:
        (position,) = self._cursors.place(cursor, of=this_list, field=field)
        return int(position)

    async def _message(self, reader: Reader, caller: Caller, asked: OneMessage) -> Message:
        message = await self._store.find(reader, caller.tenant_id, MessageId(asked.message_id))
        if message is None:
            raise no_message()
        try:
            await self._access.to(reader, caller, message.conversation_id)
        except NotFound:
            raise no_message() from None
        return message

    async def _conversation(self, reader: Reader, caller: Caller, conversation_id: str) -> Conversation:
        stored = await self._access.to(reader, caller, ConversationId(conversation_id))
        return stored.conversation


def no_message() -> NotFound:
    return NotFound("There is no message with this id.", field="message_id")
