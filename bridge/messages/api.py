"""Messages by REST: say something, change or delete it, follow what became of it. `list_api` reads what was said."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from bridge.conversations.access import Access
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.conversations.model import Conversation
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.messages.access import MessageAccess
from bridge.messages.changes import MessageChanges
from bridge.messages.errors import NOT_WRITABLE
from bridge.messages.hidden.service import Hiding
from bridge.messages.input import HTML, MessageToPost
from bridge.messages.model import Message
from bridge.messages.quick_replies.service import QuickReplies
from bridge.messages.scheduled import api as scheduled_api
from bridge.messages.scheduled.model import Draft
from bridge.messages.scheduled.service import Schedule
from bridge.messages.scheduled.views import ScheduledMessageView
from bridge.messages.scheduled.views import view_of as scheduled_view
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageView, MessageViews
from bridge.participants.rules import acting, acting_as_somebody
from bridge.storage.database import Database, Reader, Transaction
from bridge.web.fields import Data, Id, Text
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.times import milliseconds

PATH = f"{CONVERSATIONS}/{{conversation_id}}/messages"
ONE = "/api/v1/messages/{message_id}"
NO_MESSAGES = ("search", "stats", "read")
"""What stands where an id does, and is none."""


class MessageToEdit(Data):
    sender_id: Annotated[
        Id | None, Field(description="who edits it: only who said it can; a person may leave it out")
    ] = None
    text: Text
    html: Annotated[Text | None, HTML] = None


class OfConversation(Data):
    conversation_id: Id


class OneMessage(Data):
    message_id: Id


class MessageToDelete(OneMessage):
    sender_id: Annotated[
        Id | None,
        Field(
            description="who deletes it, having said it; left out: a person themselves, or the platform's staff, who"
            " always may. With `for=me`: who wants to see it no more, whoever said it"
        ),
    ] = None
    for_: Annotated[
        Literal["everyone", "me"],
        Field(
            alias="for",
            description="me: nobody else notices; it is gone from this person's lists, search, unread messages,"
            " bookmarks and exports here, at any time and for good. Their Matrix clients show it still",
        ),
    ] = "everyone"


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
    description="A text, a location or a poll. It is on disk with the answer and on its way to the room; `status`"
    " follows it. With `send_at` it is scheduled, and all of this is asked once more at that time.",
    tag="messages",
    params=OfConversation,
    body=MessageToPost,
    answers={
        HTTPStatus.CREATED: Says("It will be delivered.", MessageView, {"Location": "its address"}),
        HTTPStatus.ACCEPTED: Says(
            "It will be said at `send_at`.", ScheduledMessageView, {"Location": "its address"}
        ),
    },
    roles=EVERYBODY,
    refusals=(
        "not_found",
        "not_a_participant",
        "not_yourself",
        *NOT_WRITABLE,
        "send_at_past",
        "send_at_too_far",
        "too_many_scheduled",
        "nothing_to_fill_in",
        "text_blank",
        "text_too_long",
        "poll_invalid",
        "not_in_conversation",
        "message_deleted",
        "thread_in_thread",
        "other_thread",
    ),
    sender="sender_id",
    links={
        "getMessage": {"message_id": "$response.body#/message_id"},
        "votePoll": {"message_id": "$response.body#/message_id"},
        "listMessages": {"conversation_id": "$response.body#/conversation_id"},
        "getScheduledMessage": {"scheduled_id": "$response.body#/scheduled_id"},
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
        "not_text",
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
    summary="Delete a message for everyone, or for oneself",
    description="For everyone by who said it, for an hour; by the platform's staff, always. What it said is gone, here"
    " at once and soon in the room; that it was said stays. For oneself (`for=me`) by anybody who takes part: the"
    " others see it unchanged, as the answer shows it. The same again changes nothing more.",
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
    description="What it says, not who said it, nor to whom; a poll as text. In the room it is a message like any"
    " other.",
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
        "not_text",
    ),
    roles=EVERYBODY,
)
OPERATIONS = (POST, GET, PUT, DELETE, RETRY, FORWARD)


class MessagesApi:
    def __init__(
        self,
        database: Database,
        messages: Messages,
        changes: MessageChanges,
        store: MessageStore,
        hiding: Hiding,
        schedule: Schedule,
        quick_replies: QuickReplies,
        access: Access,
        views: MessageViews,
    ) -> None:
        self._database = database
        self._messages = messages
        self._changes = changes
        self._store = store
        self._hiding = hiding
        self._schedule = schedule
        self._quick_replies = quick_replies
        self._access = access
        self._seen = MessageAccess(store, access)
        self._views = views

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(POST, self.post),
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
        sender_id = acting_as_somebody(caller, new.sender_id, field="sender_id")
        text, held = new.said()
        if new.quick_reply_id is not None:
            text = await self._quick_replies.text_for(
                tx, conversation, new.quick_reply_id, sender_id=sender_id
            )
        draft = Draft(
            text=text,
            html=new.html,
            kind=new.message_type,
            held=held,
            mentions=tuple(ParticipantId(one) for one in new.mentions),
            reply_to=None if new.reply_to is None else MessageId(new.reply_to),
            thread_id=None if new.thread_id is None else MessageId(new.thread_id),
            labels=new.labels(),
        )
        if new.send_at is not None:
            send_at = milliseconds(new.send_at)
            one = await self._schedule.schedule(
                tx, conversation, sender_id=sender_id, draft=draft, send_at=send_at
            )
            location = scheduled_api.ONE.format(scheduled_id=one.scheduled_id)
            return answer(scheduled_view(one), status=HTTPStatus.ACCEPTED, location=location)
        message_id = await self._messages.post(
            tx,
            conversation,
            sender_id=sender_id,
            text=draft.text,
            html=draft.html,
            kind=draft.kind,
            held=draft.held,
            mentions=draft.mentions,
            reply_to=draft.reply_to,
            thread_id=draft.thread_id,
            labels=draft.labels,
        )
        return await self._made(tx, message_id)

    async def forward(self, tx: Transaction, caller: Caller, asked: OneMessage, new: ToForward) -> Answer:
        message = await self._message(tx, caller, asked)
        to = await self._conversation(tx, caller, new.conversation_id)
        by = acting_as_somebody(caller, new.sender_id, field="sender_id")
        return await self._made(tx, await self._messages.forward(tx, message, to=to, sender_id=by))

    async def get(self, caller: Caller, asked: OneMessage) -> Answer:
        return await self._shown(self._database, caller, asked)

    async def edit(self, tx: Transaction, caller: Caller, asked: OneMessage, new: MessageToEdit) -> Answer:
        message = await self._message(tx, caller, asked)
        sender_id = acting_as_somebody(caller, new.sender_id, field="sender_id")
        await self._changes.edit(tx, message, sender_id=sender_id, text=new.text, html=new.html)
        return await self._shown(tx, caller, asked)

    async def delete(self, tx: Transaction, caller: Caller, asked: MessageToDelete, _: Nothing) -> Answer:
        message = await self._seen.even_hidden(tx, caller, asked.message_id)
        if asked.for_ == "me":
            whose = acting_as_somebody(caller, asked.sender_id, field="sender_id")
            await self._hiding.hide(tx, message, whose)
        else:
            sender_id = acting(caller, asked.sender_id, field="sender_id")
            await self._changes.delete(tx, message, sender_id=sender_id)
        left = await self._seen.even_hidden(tx, caller, asked.message_id)
        return answer(await self._views.one(tx, caller, left))

    async def retry(self, tx: Transaction, caller: Caller, asked: OneMessage, _: Nothing) -> Answer:
        message = await self._message(tx, caller, asked)
        await self._messages.retry(tx, message, by=acting(caller, None, field="sender_id"))
        return await self._shown(tx, caller, asked)

    async def _shown(self, reader: Reader, caller: Caller, asked: OneMessage) -> Answer:
        return answer(await self._views.one(reader, caller, await self._message(reader, caller, asked)))

    async def _made(self, tx: Transaction, message_id: MessageId) -> Answer:
        message = await self._store.get(tx, message_id)
        assert message is not None
        view = await self._views.made(tx, message)
        return answer(view, status=HTTPStatus.CREATED, location=ONE.format(message_id=message_id))

    async def _message(self, reader: Reader, caller: Caller, asked: OneMessage) -> Message:
        return await self._seen.message(reader, caller, asked.message_id)

    async def _conversation(self, reader: Reader, caller: Caller, conversation_id: str) -> Conversation:
        stored = await self._access.to(reader, caller, ConversationId(conversation_id))
        return stored.conversation
