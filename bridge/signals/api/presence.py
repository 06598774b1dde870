"""Presence by REST."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bridge.conversations.access import Access
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.conversations.store import ConversationStore
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, ParticipantId
from bridge.participants.erasures import ErasureStore
from bridge.participants.rules import acting_as_somebody
from bridge.participants.store import ParticipantStore
from bridge.signals.model import Person, PresenceState
from bridge.signals.presence import PresenceBoard
from bridge.signals.views import PersonPresenceView, PresenceView
from bridge.storage.database import Database
from bridge.web.fields import Data, Id, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer


class OfConversation(Data):
    conversation_id: Id


class PresenceUpdate(Data):
    participant_id: Annotated[Id | None, Field(description="who; a person may leave it out")] = None
    presence: PresenceState


GET = Operation(
    method="GET",
    path=f"{CONVERSATIONS}/{{conversation_id}}/presence",
    name="getPresence",
    summary="Who of a conversation is there",
    description="By what their Matrix clients and the platform say. A vendor's availability is another thing.",
    tag="signals",
    params=OfConversation,
    body=Nothing,
    answers={HTTPStatus.OK: Says("Each participant, and when they were last seen.", PresenceView)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
PUT = Operation(
    method="PUT",
    path="/api/v1/presence",
    name="setPresence",
    summary="Somebody is there, away or gone",
    description="It holds for 5 minutes; send it again while it lasts. It is not stored, and may be lost.",
    tag="signals",
    params=Nothing,
    body=PresenceUpdate,
    answers={HTTPStatus.OK: Says("How they are shown now.", PersonPresenceView)},
    refusals=("not_found", "not_yourself", "person_erased"),
    roles=EVERYBODY,
    stored=False,
)
OPERATIONS = (GET, PUT)


class PresenceApi:
    def __init__(
        self,
        database: Database,
        board: PresenceBoard,
        conversations: ConversationStore,
        participants: ParticipantStore,
        access: Access,
    ) -> None:
        self._database = database
        self._board = board
        self._conversations = conversations
        self._participants = participants
        self._erasures = ErasureStore()
        self._access = access

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.read(GET, self.get), toolkit.ask(PUT, self.set))

    async def get(self, caller: Caller, asked: OfConversation) -> Answer:
        conversation_id = ConversationId(asked.conversation_id)
        await self._access.to(self._database, caller, conversation_id)
        members = await self._conversations.members(self._database, conversation_id)
        people = [
            await self._view(caller, member.participant.participant_id)
            for member in members
            if member.away is None
        ]
        return answer(PresenceView(conversation_id=conversation_id, participants=people))

    async def set(self, caller: Caller, _: Nothing, new: PresenceUpdate) -> Answer:
        who = acting_as_somebody(caller, new.participant_id, field="participant_id")
        if await self._participants.get(self._database, caller.tenant_id, who) is None:
            raise NotFound("There is no participant with this id. Check it.", field="participant_id")
        await self._erasures.check(self._database, caller.tenant_id, who)
        self._board.declared(Person(tenant_id=caller.tenant_id, participant_id=who), new.presence)
        return answer(await self._view(caller, who))

    async def _view(self, caller: Caller, participant_id: ParticipantId) -> PersonPresenceView:
        person = Person(tenant_id=caller.tenant_id, participant_id=participant_id)
        presence = await self._board.of(self._database, person)
        return PersonPresenceView(
            participant_id=participant_id,
            presence=presence.state,
            last_seen=None if presence.seen_at is None else rfc3339(presence.seen_at),
        )
