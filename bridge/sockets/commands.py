"""What clients send: a message, which conversations they want to be told of, another token. One entry per type."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from bridge.core.caller import Caller
from bridge.core.ids import ConversationId
from bridge.messages.api import PATH as MESSAGES
from bridge.messages.api import POST, MessageToPost, OfConversation
from bridge.participants.rules import acting_as_somebody
from bridge.sockets.hub import Hub
from bridge.sockets.session import AnyCommand, Command, Frame, FrameId, Session
from bridge.storage.database import Transaction
from bridge.web.auth import Unauthorized, check_scope
from bridge.web.fields import Id
from bridge.web.operations import Answer, Toolkit

Post = Callable[[Transaction, Caller, OfConversation, MessageToPost], Awaitable[Answer]]


class MessageSend(Frame):
    """`id`: of the message, by which it is known when it is sent again."""

    type: Literal["message.send"]
    id: FrameId
    conversation_id: Id
    message: Annotated[
        dict[str, JsonValue],
        Field(description="as the body of `postMessage`; a person may leave `sender_id` out"),
    ]


class ConversationJoin(Frame):
    type: Literal["conversation.join"]
    conversation_id: Id


class ConversationLeave(Frame):
    type: Literal["conversation.leave"]
    conversation_id: Id


class TokenRenew(Frame):
    type: Literal["token.renew"]
    token: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,8192}$")]


class Commands:
    def __init__(self, toolkit: Toolkit, hub: Hub, post: Post) -> None:
        self._toolkit = toolkit
        self._hub = hub
        self._post = post

    def all(self) -> Mapping[str, AnyCommand]:
        commands: tuple[AnyCommand, ...] = (
            Command("message.send", MessageSend, self.send),
            Command("conversation.join", ConversationJoin, self.join),
            Command("conversation.leave", ConversationLeave, self.leave),
            Command("token.renew", TokenRenew, self.renew),
        )
        return {command.name: command for command in commands}

    async def send(self, session: Session, frame: MessageSend) -> Mapping[str, object]:
        """As `postMessage` under the Idempotency-Key `id`: sent again, by either way, it is one message."""
        caller, body = session.caller, dict(frame.message)
        check_scope(caller, POST.scope)
        if caller.is_person:
            body.setdefault("sender_id", caller.participant_id)
        new = MessageToPost.model_validate_json(json.dumps(body), context=self._toolkit.limits)
        sender_id = acting_as_somebody(caller, new.sender_id, field="sender_id")
        self._toolkit.pace.message(caller.tenant_id, sender_id)
        asked = OfConversation(conversation_id=frame.conversation_id)

        async def act(tx: Transaction) -> Answer:
            return await self._post(tx, caller, asked, new)

        content = ["POST", MESSAGES.format(conversation_id=frame.conversation_id), body]
        made, replayed = await self._toolkit.once(caller, key=frame.id, content=content, act=act)
        return {"message": json.loads(made.body), "replayed": replayed}

    async def join(self, session: Session, frame: ConversationJoin) -> Mapping[str, object]:
        conversation_id = ConversationId(frame.conversation_id)
        await self._hub.check(session, conversation_id)
        session.enter(conversation_id)
        return {"conversation_id": conversation_id}

    async def leave(self, session: Session, frame: ConversationLeave) -> Mapping[str, object]:
        conversation_id = ConversationId(frame.conversation_id)
        await self._hub.check(session, conversation_id)
        session.leave(conversation_id)
        return {"conversation_id": conversation_id}

    async def renew(self, session: Session, frame: TokenRenew) -> Mapping[str, object]:
        if not await session.renew(frame.token):
            raise Unauthorized(
                "This token is not valid, or another caller's. The connection goes on with the one it had.",
                field="token",
            )
        return {}
