"""What a socket is about: a party or one conversation, a vendor or a person; and who may open it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.conversations.model import Conversation, Member
from bridge.core.caller import Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, ParticipantId, PartyId
from bridge.participants.store import ParticipantStore
from bridge.sockets.store import SocketStore
from bridge.storage.database import Reader

Kind = Literal["party", "vendor", "user"]
_WANTED: Mapping[Kind, str] = {
    "party": "no party with this id that has a conversation, and no conversation with it",
    "vendor": "no vendor with this id who has a conversation",
    "user": "no user with this id who has a conversation",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """`id`: of a party or of a conversation where it is of the kind "party", else of a vendor or of a person."""

    kind: Kind
    id: str

    def covers(self, conversation: Conversation, there: Collection[Member]) -> bool:
        return self in scopes_of(conversation, there)


def scopes_of(conversation: Conversation, there: Collection[Member]) -> list[Scope]:
    """All that are about the conversation. `there`: who takes part in it."""
    vendors = [one.participant.participant_id for one in there if one.role == "vendor"]
    if conversation.vendor_id is not None:
        vendors.append(ParticipantId(conversation.vendor_id))
    return [
        *(Scope("user", one.participant.participant_id) for one in there),
        *followed_by(conversation.conversation_id, conversation.party_ids, vendors),
    ]


def followed_by(
    conversation_id: ConversationId, party_ids: Collection[PartyId], vendors: Collection[ParticipantId]
) -> set[Scope]:
    """Those that tell what is said in the conversation. `vendors`: whose it is, and who take part in it."""
    scopes = {Scope("party", conversation_id)}
    scopes |= {Scope("party", party_id) for party_id in party_ids}
    return scopes | {Scope("vendor", vendor) for vendor in vendors}


class Gate:
    """Lets programs and staff in to all of their tenant, people to what is theirs. The rest looks as if not there."""

    def __init__(self, participants: ParticipantStore, store: SocketStore) -> None:
        self._participants = participants
        self._store = store

    async def admit(self, reader: Reader, caller: Caller, scope: Scope) -> None:
        """Raise `NotFound`."""
        if not await self._may(reader, caller, scope):
            raise NotFound(
                f"There is {_WANTED[scope.kind]}. Open one, or check the id.",
                field=f"{scope.kind}_id",
            )

    async def _may(self, reader: Reader, caller: Caller, scope: Scope) -> bool:
        tenant_id, person = caller.tenant_id, caller.participant_id
        if caller.is_person:
            if person is None:
                return False
            if scope.kind == "party":
                return await self._store.takes_part(reader, tenant_id, scope.id, person)
            return person == scope.id and (scope.kind == "user" or caller.role == "vendor")
        match scope.kind:
            case "party":
                return await self._store.has_party(reader, tenant_id, scope.id)
            case "vendor":
                return await self._store.has_vendor(reader, tenant_id, scope.id)
            case "user":
                known = await self._participants.get(reader, tenant_id, ParticipantId(scope.id))
                return known is not None
