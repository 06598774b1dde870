"""What clients send: one entry per type of frame. Done by what the REST API does the same with."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, JsonValue, StringConstraints

from bridge.core.caller import Caller
from bridge.core.ids import ConversationId
from bridge.messages.api import PATH as MESSAGES
from bridge.messages.api import POST, OfConversation
from bridge.messages.input import MessageToPost
from bridge.messages.scheduled.views import ScheduledMessageView
from bridge.messages.views import MessageView
from bridge.participants.rules import acting_as_somebody
from bridge.signals.api import presence, reading, typing
from bridge.signals.model import PresenceState
from bridge.signals.views import PersonPresenceView, ReadView, TypingView
from bridge.sockets.hub import Hub
from bridge.sockets.protocol import Ack, Frame, FrameId
from bridge.sockets.session import TOKEN_RENEWAL, AnyCommand, Command, Session
from bridge.storage.database import Transaction
from bridge.web.auth import Unauthorized, check_scope, forbidden
from bridge.web.fields import Id
from bridge.web.operations import Answer, Nothing, Operation, Toolkit

F = TypeVar("F", bound=Frame)

_WHO = "who; a person may leave it out"
Somebody = Annotated[Id | None, Field(description=_WHO)]


class SendMessage(Frame):
    """Say something. `id` is the message's: sent again under the same one, it is one message."""

    type: Literal["message.send"]
    id: FrameId
    conversation_id: Id
    message: Annotated[
        dict[str, JsonValue],
        Field(description="as the body of `postMessage`; a person may leave `sender_id` out"),
    ]


class MessageRead(Frame):
    """Somebody has read as far as a message."""

    type: Literal["message.read"]
    conversation_id: Id
    participant_id: Somebody = None
    up_to_message_id: Annotated[Id | None, Field(description="left out: up to the newest")] = None


class TypingStart(Frame):
    """Somebody types. It shows for 10 seconds: send it again while they go on."""

    type: Literal["typing.start"]
    conversation_id: Id
    participant_id: Somebody = None


class TypingStop(Frame):
    """Somebody has stopped to type; who sends a message has, too."""

    type: Literal["typing.stop"]
    conversation_id: Id
    participant_id: Somebody = None


class PresenceUpdate(Frame):
    """Somebody is there, away or gone. It holds for 5 minutes: send it again while it lasts."""

    type: Literal["presence.update"]
    participant_id: Somebody = None
    presence: PresenceState


class ConversationJoin(Frame):
    """Tell me again of a conversation that I have left, from now on."""

    type: Literal["conversation.join"]
    conversation_id: Id


class ConversationLeave(Frame):
    """Tell me no more of a conversation, on this connection."""

    type: Literal["conversation.leave"]
    conversation_id: Id


class TokenRenew(Frame):
    """Go on with another token of the same person or tenant, before the old one expires."""

    type: Literal["token.renew"]
    token: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,8192}$")]


class MessageAck(Ack):
    message: MessageView | ScheduledMessageView = Field(description="the latter of what has a `send_at`")
    replayed: bool = Field(description="it was sent before, and this is that message")


class ConversationAck(Ack):
    conversation_id: str


class ReadAck(Ack, ReadView):
    pass


class TypingAck(Ack, TypingView):
    pass


class PresenceAck(Ack, PersonPresenceView):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What the REST API does on the same behalf."""

    post: Callable[[Transaction, Caller, OfConversation, MessageToPost], Awaitable[Answer]]
    read: Callable[[Transaction, Caller, reading.OfConversation, reading.Reading], Awaitable[Answer]]
    typing: Callable[[Caller, Nothing, typing.SomebodyTypes], Awaitable[Answer]]
    presence: Callable[[Caller, Nothing, presence.PresenceUpdate], Awaitable[Answer]]


class Commands:
    def __init__(self, toolkit: Toolkit, hub: Hub, handlers: Handlers) -> None:
        self._toolkit = toolkit
        self._hub = hub
        self._handlers = handlers

    def all(self) -> Mapping[str, AnyCommand]:
        return {one.name: Command(one.name, one.frame, partial(self._take, one)) for one in COMMANDS}

    async def _take(self, command: "Declared[F]", session: Session, frame: F) -> Mapping[str, object]:
        if command.does is not None:
            caller = session.caller
            if caller.role not in command.does.roles:
                raise forbidden(caller.role)
            check_scope(caller, command.does.scope)
        return await command.handle(self, session, frame)

    async def send(self, session: Session, frame: SendMessage) -> Mapping[str, object]:
        """As `postMessage` under the Idempotency-Key `id`: sent again, by either way, it is one message."""
        caller, body = session.caller, dict(frame.message)
        if caller.is_person:
            body.setdefault("sender_id", caller.participant_id)
        new = MessageToPost.model_validate_json(json.dumps(body), context=self._toolkit.limits)
        sender_id = acting_as_somebody(caller, new.sender_id, field="sender_id")
        self._toolkit.pace.message(caller.tenant_id, sender_id)
        asked = OfConversation(conversation_id=frame.conversation_id)

        async def act(tx: Transaction) -> Answer:
            return await self._handlers.post(tx, caller, asked, new)

        content = ["POST", MESSAGES.format(conversation_id=frame.conversation_id), body]
        made, replayed = await self._toolkit.once(caller, key=frame.id, content=content, act=act)
        return {"message": json.loads(made.body), "replayed": replayed}

    async def read(self, session: Session, frame: MessageRead) -> Mapping[str, object]:
        asked = reading.OfConversation(conversation_id=frame.conversation_id)
        new = reading.Reading(participant_id=frame.participant_id, up_to_message_id=frame.up_to_message_id)

        async def act(tx: Transaction) -> Answer:
            return await self._handlers.read(tx, session.caller, asked, new)

        # The same again changes nothing more, so that there is nothing to be done only once.
        made, _ = await self._toolkit.once(session.caller, key=None, content=None, act=act)
        return _told(made)

    async def start_typing(self, session: Session, frame: TypingStart) -> Mapping[str, object]:
        return await self._type(session, frame, is_typing=True)

    async def stop_typing(self, session: Session, frame: TypingStop) -> Mapping[str, object]:
        return await self._type(session, frame, is_typing=False)

    async def _type(
        self, session: Session, frame: TypingStart | TypingStop, *, is_typing: bool
    ) -> Mapping[str, object]:
        new = typing.SomebodyTypes(
            conversation_id=frame.conversation_id, participant_id=frame.participant_id, typing=is_typing
        )
        return _told(await self._handlers.typing(session.caller, Nothing(), new))

    async def update_presence(self, session: Session, frame: PresenceUpdate) -> Mapping[str, object]:
        new = presence.PresenceUpdate(participant_id=frame.participant_id, presence=frame.presence)
        return _told(await self._handlers.presence(session.caller, Nothing(), new))

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


def _told(made: Answer) -> Mapping[str, object]:
    told: dict[str, object] = json.loads(made.body)
    return told


@dataclass(frozen=True, slots=True)
class Declared(Generic[F]):
    """One type of frame: taken by this, and documented from it. `does`: the operation whose scope it needs."""

    name: str
    frame: type[F]
    ack: type[Ack]
    handle: Callable[[Commands, Session, F], Awaitable[Mapping[str, object]]]
    does: Operation[Any, Any] | None = None


COMMANDS: tuple[Declared[Any], ...] = (
    Declared("message.send", SendMessage, MessageAck, Commands.send, POST),
    Declared("message.read", MessageRead, ReadAck, Commands.read, reading.READ),
    Declared("typing.start", TypingStart, TypingAck, Commands.start_typing, typing.POST),
    Declared("typing.stop", TypingStop, TypingAck, Commands.stop_typing, typing.POST),
    Declared("presence.update", PresenceUpdate, PresenceAck, Commands.update_presence, presence.PUT),
    Declared("conversation.join", ConversationJoin, ConversationAck, Commands.join),
    Declared("conversation.leave", ConversationLeave, ConversationAck, Commands.leave),
    Declared(TOKEN_RENEWAL, TokenRenew, Ack, Commands.renew),
)
