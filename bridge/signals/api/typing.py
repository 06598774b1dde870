"""Typing by REST."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bridge.conversations.access import Access
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.ids import ConversationId
from bridge.participants.rules import acting_as_somebody
from bridge.participants.store import ParticipantStore
from bridge.signals.ports import TypingOutside
from bridge.signals.reads import Reads
from bridge.signals.typing import TypingBoard
from bridge.signals.views import TypingView, TypistView
from bridge.storage.database import Database
from bridge.web.fields import Data, Id, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer


class OfConversation(Data):
    conversation_id: Id


class SomebodyTypes(Data):
    conversation_id: Id
    participant_id: Annotated[
        Id | None, Field(description="who types: a participant; a person may leave it out")
    ] = None
    typing: Annotated[bool, Field(description="false: they have stopped")] = True


GET = Operation(
    method="GET",
    path=f"{CONVERSATIONS}/{{conversation_id}}/typing",
    name="getTyping",
    summary="Who is typing in a conversation",
    tag="signals",
    params=OfConversation,
    body=Nothing,
    answers={HTTPStatus.OK: Says("They are.", TypingView)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
POST = Operation(
    method="POST",
    path="/api/v1/typing",
    name="setTyping",
    summary="Somebody is typing, or has stopped",
    description="It shows for 10 seconds; send it again while they go on. Who has no Matrix account is shown as typing"
    " in the room, too. It is not stored, and may be lost.",
    tag="signals",
    params=Nothing,
    body=SomebodyTypes,
    answers={HTTPStatus.OK: Says("Who types in the conversation now.", TypingView)},
    refusals=("not_found", "not_a_participant", "not_yourself"),
    roles=EVERYBODY,
    stored=False,
)
OPERATIONS = (GET, POST)


class TypingApi:
    def __init__(
        self,
        database: Database,
        board: TypingBoard,
        outside: TypingOutside,
        reads: Reads,
        participants: ParticipantStore,
        access: Access,
    ) -> None:
        self._database = database
        self._board = board
        self._outside = outside
        self._reads = reads
        self._participants = participants
        self._access = access

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.read(GET, self.get), toolkit.ask(POST, self.set))

    async def get(self, caller: Caller, asked: OfConversation) -> Answer:
        conversation_id = ConversationId(asked.conversation_id)
        await self._access.to(self._database, caller, conversation_id)
        return self._answer(conversation_id)

    async def set(self, caller: Caller, _: Nothing, new: SomebodyTypes) -> Answer:
        conversation_id = ConversationId(new.conversation_id)
        await self._access.to(self._database, caller, conversation_id)
        who = acting_as_somebody(caller, new.participant_id, field="participant_id")
        await self._reads.check_there(self._database, conversation_id, who)
        person = await self._participants.get(self._database, caller.tenant_id, who)
        assert person is not None, "participants are not deleted"
        self._board.set(caller.tenant_id, conversation_id, who, is_typing=new.typing)
        self._outside.typing(conversation_id, person, is_typing=new.typing)
        return self._answer(conversation_id)

    def _answer(self, conversation_id: ConversationId) -> Answer:
        typing = [
            TypistView(participant_id=one.participant_id, until=rfc3339(one.until))
            for one in self._board.of(conversation_id)
        ]
        return answer(TypingView(conversation_id=conversation_id, typing=typing))
