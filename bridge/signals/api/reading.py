"""Reading by REST: mark messages as read, and look at what is unread."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Self

from aiohttp import web
from pydantic import AfterValidator, ConfigDict, Field, JsonValue, model_validator

from bridge.conversations.access import Access
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.messages.access import no_message
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.participants.rules import acting_as_somebody
from bridge.signals.reads import Place, Reads, UnreadCounts
from bridge.signals.store import ReadStore
from bridge.signals.views import MessagesReadView, ReadView, UnreadPage, UnreadView
from bridge.storage.database import Database, Transaction
from bridge.web.fields import Data, Id, refuse_empty, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PAGE = 20
MOST_MESSAGES = 100

_WHO = Field(description="who has read: a participant; a person may leave it out")


class OfConversation(Data):
    conversation_id: Id


class Reading(Data):
    participant_id: Annotated[Id | None, _WHO] = None
    up_to_message_id: Annotated[Id | None, Field(description="left out: up to the newest")] = None


_ONE_OF: list[JsonValue] = [
    {"required": ["message_ids"], "properties": {"message_ids": {"type": "array"}}},
    {"required": ["up_to_message_id"], "properties": {"up_to_message_id": {"type": "string"}}},
    {"required": ["conversation_id"], "properties": {"conversation_id": {"type": "string"}}},
    {"required": ["all"], "properties": {"all": {"const": True}}},
]
"""For a JSON Schema: what the validator below says."""


class MessagesToRead(Data):
    """Exactly one of `message_ids`, `up_to_message_id`, `conversation_id` and `all`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": _ONE_OF})

    participant_id: Annotated[Id | None, _WHO] = None
    message_ids: Annotated[
        tuple[Id, ...] | None,
        Field(
            max_length=MOST_MESSAGES,
            description="of one or several conversations",
            json_schema_extra={"minItems": 1},
        ),
        AfterValidator(lambda ids: None if ids is None else refuse_empty(ids)),
    ] = None
    up_to_message_id: Id | None = None
    conversation_id: Annotated[Id | None, Field(description="all of this conversation")] = None
    all: Annotated[bool, Field(description="all of all their conversations")] = False

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        given = (self.message_ids, self.up_to_message_id, self.conversation_id, self.all or None)
        if sum(one is not None for one in given) != 1:
            raise ValueError(
                "Give one of `message_ids`, `up_to_message_id`, `conversation_id` and `all`, and only one"
            )
        return self


class ListOfUnread(Data):
    participant_id: Annotated[Id | None, Field(description="whose; a person may leave it out")] = None
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="conversations of a page")] = PAGE


_ONE_READ = {HTTPStatus.OK: Says("It is read; the room will know.", ReadView)}
_REFUSALS = ("not_found", "not_a_participant", "not_yourself")
_MEANING = (
    "To have read a message is to have read all that was said before it. Who has no Matrix account is shown in the"
    " room as having read it; for an account holder nobody speaks, so there it is known here only. The same again"
    " changes nothing more."
)

READ = Operation(
    method="POST",
    path=f"{CONVERSATIONS}/{{conversation_id}}/read",
    name="readConversation",
    summary="Mark a conversation as read, up to a message or all of it",
    description=_MEANING,
    tag="reading",
    params=OfConversation,
    body=Reading,
    answers=_ONE_READ,
    refusals=_REFUSALS,
    roles=EVERYBODY,
)
PUT_READ = Operation(
    method="PUT",
    path=READ.path,
    name="putConversationRead",
    summary="Mark a conversation as read, up to a message or all of it",
    description=_MEANING,
    tag="reading",
    params=OfConversation,
    body=Reading,
    answers=_ONE_READ,
    refusals=_REFUSALS,
    roles=EVERYBODY,
)
READ_MESSAGES = Operation(
    method="POST",
    path="/api/v1/messages/read",
    name="readMessages",
    summary="Mark listed messages, up to a message, a conversation, or everything as read",
    description=_MEANING,
    tag="reading",
    params=Nothing,
    body=MessagesToRead,
    answers={HTTPStatus.OK: Says("They are read; the rooms will know.", MessagesReadView)},
    refusals=_REFUSALS,
    roles=EVERYBODY,
)
UNREAD = Operation(
    method="GET",
    path=f"{CONVERSATIONS}/unread",
    name="listUnread",
    summary="How much a person has not read: in total, and by conversation",
    tag="reading",
    params=ListOfUnread,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of it.", UnreadPage)},
    refusals=("not_yourself", "invalid_cursor"),
    roles=EVERYBODY,
)
OPERATIONS = (READ, PUT_READ, READ_MESSAGES, UNREAD)


class ReadingApi:
    def __init__(
        self,
        database: Database,
        reads: Reads,
        counts: UnreadCounts,
        store: ReadStore,
        messages: MessageStore,
        access: Access,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._reads = reads
        self._counts = counts
        self._store = store
        self._messages = messages
        self._access = access
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.read(UNREAD, self.unread),
            toolkit.write(READ, self.read),
            toolkit.write(PUT_READ, self.read),
            toolkit.write(READ_MESSAGES, self.read_messages),
        )

    async def read(self, tx: Transaction, caller: Caller, asked: OfConversation, new: Reading) -> Answer:
        conversation_id = ConversationId(asked.conversation_id)
        await self._access.to(tx, caller, conversation_id)
        up_to = None
        if new.up_to_message_id is not None:
            message = await self._message(tx, caller, new.up_to_message_id, field="up_to_message_id")
            if message.conversation_id != conversation_id:
                raise _not_there("up_to_message_id")
            up_to = message.position
        reader = acting_as_somebody(caller, new.participant_id, field="participant_id")
        return answer(await self._read(tx, caller, conversation_id, reader, up_to=up_to))

    async def read_messages(self, tx: Transaction, caller: Caller, _: Nothing, new: MessagesToRead) -> Answer:
        reader = acting_as_somebody(caller, new.participant_id, field="participant_id")
        up_to = await self._up_to(tx, caller, reader, new)
        views = [
            await self._read(tx, caller, conversation_id, reader, up_to=position)
            # In one order for everybody, or two who read the same would wait for each other.
            for conversation_id, position in sorted(up_to.items())
        ]
        count = sum(view.read_count for view in views)
        return answer(MessagesReadView(participant_id=reader, read_count=count, conversations=views))

    async def unread(self, caller: Caller, asked: ListOfUnread) -> Answer:
        reader = acting_as_somebody(caller, asked.participant_id, field="participant_id")
        this_list = ("unread", caller.tenant_id, reader)
        after = ""
        if asked.cursor is not None:
            after = str(self._cursors.place(asked.cursor, of=this_list, field="cursor")[0])
        found = await self._counts.of(self._database, caller.tenant_id, reader)
        rest = [unread for unread in found if unread.conversation_id > after]
        shown = rest[: asked.limit]
        more = len(rest) > len(shown)
        page = UnreadPage(
            participant_id=reader,
            unread_count=sum(unread.count for unread in found),
            conversations=[
                UnreadView(conversation_id=unread.conversation_id, unread_count=unread.count)
                for unread in shown
            ],
            next_cursor=self._cursors.at([shown[-1].conversation_id], of=this_list) if more else None,
        )
        return answer(page)

    async def _up_to(
        self, tx: Transaction, caller: Caller, reader: ParticipantId, new: MessagesToRead
    ) -> dict[ConversationId, int | None]:
        """How far in which conversations; None: all of it."""
        if new.conversation_id is not None:
            conversation_id = ConversationId(new.conversation_id)
            await self._access.to(tx, caller, conversation_id)
            return {conversation_id: None}
        if new.all:
            found = await self._counts.of(tx, caller.tenant_id, reader)
            return {unread.conversation_id: None for unread in found}
        up_to: dict[ConversationId, int | None] = {}
        field = "message_ids" if new.message_ids else "up_to_message_id"
        for message_id in new.message_ids or (new.up_to_message_id or "",):
            message = await self._message(tx, caller, message_id, field=field)
            up_to[message.conversation_id] = max(up_to.get(message.conversation_id) or 0, message.position)
        return up_to

    async def _read(
        self,
        tx: Transaction,
        caller: Caller,
        conversation_id: ConversationId,
        reader: ParticipantId,
        *,
        up_to: int | None,
    ) -> ReadView:
        place = Place(tenant_id=caller.tenant_id, conversation_id=conversation_id, participant_id=reader)
        count = await self._reads.read(tx, place, up_to=up_to)
        unread = (await self._counts.unread(tx, [conversation_id]))[conversation_id]
        position = await self._store.position(tx, conversation_id, reader)
        return ReadView(
            conversation_id=conversation_id,
            participant_id=reader,
            read_count=count,
            unread_count=unread[reader],
            last_read_message_id=position.message_id if position else None,
            read_at=rfc3339(position.read_at) if position else None,
        )

    async def _message(self, tx: Transaction, caller: Caller, message_id: str, *, field: str) -> Message:
        message = await self._messages.find(tx, caller.tenant_id, MessageId(message_id))
        if message is None:
            raise _not_there(field)
        try:
            await self._access.to(tx, caller, message.conversation_id)
        except NotFound:
            raise _not_there(field) from None
        if not (await self._access.seen(tx, caller, message.conversation_id)).includes(message.position):
            raise _not_there(field)
        return message


def _not_there(field: str) -> NotFound:
    return NotFound(no_message().detail, field=field)
