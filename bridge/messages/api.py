"""Messages by REST: say something, change or delete it, read what was said, follow what became of a message."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from bridge.conversations.access import Access
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.conversations.model import Conversation
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.messages.access import MessageAccess
from bridge.messages.changes import MessageChanges
from bridge.messages.errors import NOT_WRITABLE
from bridge.messages.model import Message
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.messages.views import MessagePage, MessageView, MessageViews
from bridge.participants.rules import acting, acting_as_somebody
from bridge.storage.database import Database, Reader, Transaction
from bridge.web.fields import Data, Id, Text, refuse_repeated
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PATH = f"{CONVERSATIONS}/{{conversation_id}}/messages"
ONE = "/api/v1/messages/{message_id}"
PAGE = 50
NO_MESSAGES = ("search", "stats", "read")
"""What stands where an id does, and is none."""
MOST_MENTIONS = 50


def _once(ids: tuple[str, ...]) -> tuple[str, ...]:
    refuse_repeated(ids)
    return ids


_HTML = Field(description="the same text, formatted; what could do harm is taken out of it")


_BEFORE = Field(description="`before` of a page: what was said before it")
_BEFORE_MESSAGE = Field(description="a message: what was said before it")
_AFTER = Field(description="`after` of a page: what was said after it")


def one_direction(place: str | None, info: ValidationInfo) -> str | None:
    if place is not None and any(
        info.data.get(other) is not None for other in ("before", "before_message_id")
    ):
        raise ValueError("Give one of `before`, `before_message_id` and `after`, and only one")
    return place


class MessageToPost(Data):
    sender_id: Annotated[
        Id | None,
        Field(description="who says it: one of the conversation's participants; a person may leave it out"),
    ] = None
    text: Text
    html: Annotated[Text | None, _HTML] = None
    mentions: Annotated[
        tuple[Id, ...],
        Field(
            description="the participants to whom it speaks: their clients tell them",
            max_length=MOST_MENTIONS,
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(_once),
    ] = ()
    reply_to: Annotated[Id | None, Field(description="the message that it answers")] = None
    thread_id: Annotated[
        Id | None,
        Field(description="the message that began the thread; an answer within a thread is in it by itself"),
    ] = None


class MessageToEdit(Data):
    sender_id: Annotated[
        Id | None, Field(description="who edits it: only who said it can; a person may leave it out")
    ] = None
    text: Text
    html: Annotated[Text | None, _HTML] = None


class OfConversation(Data):
    conversation_id: Id


class ListOfMessages(Data):
    conversation_id: Id
    before: Annotated[Cursor | None, _BEFORE] = None
    before_message_id: Annotated[Id | None, _BEFORE_MESSAGE] = None
    after: Annotated[Cursor | None, _AFTER] = None
    limit: Annotated[Limit, Field(description="messages of a page")] = PAGE

    @field_validator("before_message_id", "after")
    @classmethod
    def _one_direction(cls, place: str | None, info: ValidationInfo) -> str | None:
        return one_direction(place, info)


class OneMessage(Data):
    message_id: Id


class MessageToDelete(OneMessage):
    sender_id: Annotated[
        Id | None,
        Field(
            description="who deletes it, having said it; left out: a person themselves, or the platform's staff, who"
            " always may"
        ),
    ] = None


class ToForward(Data):
    conversation_id: Annotated[Id, Field(description="where to")]
    sender_id: Annotated[
        Id | None,
        Field(description="who repeats it there: one of its participants; a person may leave it out"),
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
    roles=EVERYBODY,
    refusals=(
        "not_found",
        "not_a_participant",
        "not_yourself",
        *NOT_WRITABLE,
        "text_blank",
        "text_too_long",
        "not_in_conversation",
        "message_deleted",
        "thread_in_thread",
        "other_thread",
    ),
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
    roles=EVERYBODY,
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
    roles=EVERYBODY,
    siblings=NO_MESSAGES,
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
        "not_yourself",
        "edit_window_closed",
        "message_deleted",
        "written_in_client",
        "not_a_participant",
        *NOT_WRITABLE,
        "text_blank",
        "text_too_long",
    ),
    roles=EVERYBODY,
    siblings=NO_MESSAGES,
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
    refusals=(
        "not_found",
        "not_the_sender",
        "not_yourself",
        "not_a_participant",
        "delete_window_closed",
        *NOT_WRITABLE,
    ),
    roles=EVERYBODY,
    siblings=NO_MESSAGES,
)
RETRY = Operation(
    method="POST",
    path=f"{ONE}/retry",
    name="retryMessage",
    summary="Have a message that failed delivered after all",
    description="By who said it, or the platform. It is pending again, and is said once, however often this is asked.",
    tag="messages",
    params=OneMessage,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It is on its way once more.", MessageView)},
    refusals=(
        "not_found",
        "not_the_sender",
        "not_a_participant",
        "not_failed",
        "message_deleted",
        *NOT_WRITABLE,
    ),
    roles=EVERYBODY,
)
FORWARD = Operation(
    method="POST",
    path=f"{ONE}/forward",
    name="forwardMessage",
    summary="Repeat a message in another conversation",
    description="What it says, not who said it, nor to whom. In the room it is a message like any other.",
    tag="messages",
    params=OneMessage,
    body=ToForward,
    answers={HTTPStatus.CREATED: Says("It will be delivered.", MessageView, {"Location": "its address"})},
    refusals=(
        "not_found",
        "not_a_participant",
        "not_yourself",
        *NOT_WRITABLE,
        "message_deleted",
    ),
    roles=EVERYBODY,
)
OPERATIONS = (POST, LIST, GET, PUT, DELETE, RETRY, FORWARD)


class MessagesApi:
    def __init__(
        self,
        database: Database,
        messages: Messages,
        changes: MessageChanges,
        store: MessageStore,
        access: Access,
        views: MessageViews,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._messages = messages
        self._changes = changes
        self._store = store
        self._access = access
        self._seen = MessageAccess(store, access)
        self._views = views
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(POST, self.post),
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(PUT, self.edit),
            toolkit.write(DELETE, self.delete),
            toolkit.write(RETRY, self.retry),
            toolkit.write(FORWARD, self.forward),
        )

    async def post(
        self, tx: Transaction, caller: Caller, asked: OfConversation, new: MessageToPost
    ) -> Answer:
        conversation = await self._conversation(tx, caller, asked.conversation_id)
        message_id = await self._messages.post(
            tx,
            conversation,
            sender_id=acting_as_somebody(caller, new.sender_id, field="sender_id"),
            text=new.text,
            html=new.html,
            mentions=[ParticipantId(one) for one in new.mentions],
            reply_to=None if new.reply_to is None else MessageId(new.reply_to),
            thread_id=None if new.thread_id is None else MessageId(new.thread_id),
        )
        return await self._made(tx, caller, message_id)

    async def forward(self, tx: Transaction, caller: Caller, asked: OneMessage, new: ToForward) -> Answer:
        message = await self._message(tx, caller, asked)
        to = await self._conversation(tx, caller, new.conversation_id)
        by = acting_as_somebody(caller, new.sender_id, field="sender_id")
        return await self._made(tx, caller, await self._messages.forward(tx, message, to=to, sender_id=by))

    async def get(self, caller: Caller, asked: OneMessage) -> Answer:
        return await self._shown(self._database, caller, asked)

    async def edit(self, tx: Transaction, caller: Caller, asked: OneMessage, new: MessageToEdit) -> Answer:
        message = await self._message(tx, caller, asked)
        sender_id = acting_as_somebody(caller, new.sender_id, field="sender_id")
        await self._changes.edit(tx, message, sender_id=sender_id, text=new.text, html=new.html)
        return await self._shown(tx, caller, asked)

    async def delete(self, tx: Transaction, caller: Caller, asked: MessageToDelete, _: Nothing) -> Answer:
        message = await self._message(tx, caller, asked)
        sender_id = acting(caller, asked.sender_id, field="sender_id")
        await self._changes.delete(tx, message, sender_id=sender_id)
        return await self._shown(tx, caller, asked)

    async def retry(self, tx: Transaction, caller: Caller, asked: OneMessage, _: Nothing) -> Answer:
        message = await self._message(tx, caller, asked)
        await self._messages.retry(tx, message, by=acting(caller, None, field="sender_id"))
        return await self._shown(tx, caller, asked)

    async def list(self, caller: Caller, asked: ListOfMessages) -> Answer:
        conversation = await self._conversation(self._database, caller, asked.conversation_id)
        conversation_id = conversation.conversation_id
        this_list = ("messages", caller.tenant_id, conversation_id)
        after = 0
        if asked.after is not None:
            after = self._place(asked.after, this_list, field="after")
            found = await self._store.history(self._database, conversation_id, after=after, limit=asked.limit)
        else:
            before = await self._before(caller, asked, this_list)
            found = await self._store.newest(
                self._database, conversation_id, before=before, limit=asked.limit
            )
        first = found[0].position if found else after + 1
        earlier = await self._store.has_before(self._database, conversation_id, first)
        page = MessagePage(
            messages=await self._views.of(self._database, caller, found),
            before=self._cursors.at([first], of=this_list) if earlier else None,
            after=self._cursors.at([found[-1].position if found else after], of=this_list),
        )
        return answer(page)

    async def _shown(self, reader: Reader, caller: Caller, asked: OneMessage) -> Answer:
        return answer(await self._views.one(reader, caller, await self._message(reader, caller, asked)))

    async def _before(self, caller: Caller, asked: ListOfMessages, this_list: Sequence[str]) -> int | None:
        if asked.before_message_id is None:
            return None if asked.before is None else self._place(asked.before, this_list, field="before")
        message = await self._store.find(self._database, caller.tenant_id, MessageId(asked.before_message_id))
        if message is None or message.conversation_id != asked.conversation_id:
            raise NotFound(
                "There is no message with this id in this conversation.", field="before_message_id"
            )
        return message.position

    def _place(self, cursor: str, this_list: Sequence[str], *, field: str) -> int:
        (position,) = self._cursors.place(cursor, of=this_list, field=field)
        return int(position)

    async def _made(self, tx: Transaction, caller: Caller, message_id: MessageId) -> Answer:
        message = await self._store.get(tx, message_id)
        assert message is not None
        view = await self._views.one(tx, caller, message)
        return answer(view, status=HTTPStatus.CREATED, location=ONE.format(message_id=message_id))

    async def _message(self, reader: Reader, caller: Caller, asked: OneMessage) -> Message:
        return await self._seen.message(reader, caller, asked.message_id)

    async def _conversation(self, reader: Reader, caller: Caller, conversation_id: str) -> Conversation:
        stored = await self._access.to(reader, caller, ConversationId(conversation_id))
        return stored.conversation
