"""Messages by REST as older clients ask for them: the conversation stands in the body or the query, not in the path."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Self

from aiohttp import web
from pydantic import Field, model_validator

from bridge.core.caller import EVERYBODY, Caller
from bridge.messages.api import POST, MessagesApi, OfConversation
from bridge.messages.input import MessageToPost
from bridge.messages.list_api import LIST, ListOfMessages, MessageListApi, Part
from bridge.messages.views import MessagePage
from bridge.storage.database import Transaction
from bridge.web.fields import Id
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit

PATH = "/api/v1/messages"


class MessageToPostIn(MessageToPost):
    conversation_id: Id


class MessagesOf(Part):
    """Exactly one of `conversation_id`, `conversationId` and `channelId`, which mean the same."""

    conversation_id: Id | None = None
    conversation: Annotated[Id | None, Field(alias="conversationId")] = None
    channel: Annotated[Id | None, Field(alias="channelId")] = None

    @model_validator(mode="after")
    def _one_conversation(self) -> Self:
        given = (self.conversation_id, self.conversation, self.channel)
        if sum(one is not None for one in given) != 1:
            raise ValueError("Give one of `conversation_id`, `conversationId` and `channelId`, and only one")
        return self

    def list(self) -> ListOfMessages:
        return ListOfMessages.model_construct(
            conversation_id=self.conversation_id or self.conversation or self.channel or "",
            before=self.before,
            before_message_id=self.before_message_id,
            after=self.after,
            thread_id=self.thread_id,
            limit=self.limit,
        )


POST_IN = Operation(
    method="POST",
    path=PATH,
    name="postMessageIn",
    summary="Say something as a participant, in the conversation that the body names",
    description=POST.description,
    tag="messages",
    params=Nothing,
    body=MessageToPostIn,
    answers=POST.answers,
    refusals=POST.refusals,
    roles=EVERYBODY,
    sender="sender_id",
)
LIST_OF = Operation(
    method="GET",
    path=PATH,
    name="listMessagesOf",
    summary="Read the conversation that the query names",
    description=LIST.description,
    tag="messages",
    params=MessagesOf,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of it.", MessagePage)},
    refusals=LIST.refusals,
    roles=EVERYBODY,
)
OPERATIONS = (POST_IN, LIST_OF)


class OlderMessagesApi:
    def __init__(self, messages: MessagesApi, list_: MessageListApi) -> None:
        self._messages = messages
        self._list = list_

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return toolkit.write(POST_IN, self.post), toolkit.read(LIST_OF, self.list)

    async def post(self, tx: Transaction, caller: Caller, _: Nothing, new: MessageToPostIn) -> Answer:
        where = OfConversation(conversation_id=new.conversation_id)
        return await self._messages.post(tx, caller, where, new)

    async def list(self, caller: Caller, asked: MessagesOf) -> Answer:
        return await self._list.list(caller, asked.list())
