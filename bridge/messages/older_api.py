"""Messages by REST as older clients ask for them: the conversation stands in the body or the query, not in the path."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Self

from aiohttp import web
from pydantic import Field, ValidationInfo, field_validator, model_validator

from bridge.core.caller import EVERYBODY, Caller
from bridge.messages.api import (
    LIST,
    PAGE,
    POST,
    ListOfMessages,
    MessagesApi,
    MessageToPost,
    OfConversation,
    one_direction,
)
from bridge.messages.views import MessagePage, MessageView
from bridge.storage.database import Transaction
from bridge.web.fields import Data, Id
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit
from bridge.web.paging import Cursor, Limit

PATH = "/api/v1/messages"


class MessageToPostIn(MessageToPost):
    conversation_id: Id


class MessagesOf(Data):
    """Exactly one of `conversation_id`, `conversationId` and `channelId`, which mean the same."""

    conversation_id: Id | None = None
    conversation: Annotated[Id | None, Field(alias="conversationId")] = None
    channel: Annotated[Id | None, Field(alias="channelId")] = None
    before: Annotated[Cursor | None, Field(description="`before` of a page: what was said before it")] = None
    before_message_id: Annotated[Id | None, Field(description="a message: what was said before it")] = None
    after: Annotated[Cursor | None, Field(description="`after` of a page: what was said after it")] = None
    limit: Annotated[Limit, Field(description="messages of a page")] = PAGE

    @field_validator("before_message_id", "after")
    @classmethod
    def _one_direction(cls, place: str | None, info: ValidationInfo) -> str | None:
        return one_direction(place, info)

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
    answers={HTTPStatus.CREATED: Says("It will be delivered.", MessageView, {"Location": "its address"})},
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
    def __init__(self, messages: MessagesApi) -> None:
        self._messages = messages

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return toolkit.write(POST_IN, self.post), toolkit.read(LIST_OF, self.list)

    async def post(self, tx: Transaction, caller: Caller, _: Nothing, new: MessageToPostIn) -> Answer:
        where = OfConversation(conversation_id=new.conversation_id)
        return await self._messages.post(tx, caller, where, new)

    async def list(self, caller: Caller, asked: MessagesOf) -> Answer:
        return await self._messages.list(caller, asked.list())
