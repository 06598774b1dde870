"""What a socket is about: a party, a vendor or a person; and who may open it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from bridge.conversations.model import Conversation
from bridge.core.caller import Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId, PartyId, VendorId
from bridge.participants.store import ParticipantStore
from bridge.sockets.store import SocketStore
from bridge.storage.database import Reader

Kind = Literal["party", "vendor", "user"]


@dataclass(frozen=True, slots=True)
class Scope:
    kind: Kind
    id: str

    def covers(self, conversation: Conversation, members: Collection[ParticipantId]) -> bool:
        return self in scopes_of(conversation.party_ids, conversation.vendor_id, members)


def scopes_of(
    party_ids: Collection[PartyId], vendor_id: VendorId | None, members: Collection[ParticipantId] = ()
) -> list[Scope]:
    """All that are about a conversation. `members`: who takes part in it."""
    scopes = [Scope("user", member) for member in members]
    scopes += [Scope("party", party_id) for party_id in party_ids]
    if vendor_id is not None:
        scopes.append(Scope("vendor", vendor_id))
    return scopes


class Gate:
    """Lets programs and staff in to all of their tenant, people to what is theirs. The rest looks as if not there."""

    def __init__(self, participants: ParticipantStore, store: SocketStore) -> None:
        self._participants = participants
        self._store = store

    async def admit(self, reader: Reader, caller: Caller, scope: Scope) -> None:
        """Raise `NotFound`."""
        if not await self._may(reader, caller, scope):
            raise NotFound(
                f"There is no {scope.kind} with this id that has a conversation. Open one, or check the id.",
                field=f"{scope.kind}_id",
            )

    async def _may(self, reader: Reader, caller: Caller, scope: Scope) -> bool:
        tenant_id, person = caller.tenant_id, caller.participant_id
        if caller.is_person:
            if person is None:
                return False
            if scope.kind == "party":
                return await self._store.takes_part_in_party(reader, tenant_id, PartyId(scope.id), person)
            return person == scope.id and (scope.kind == "user" or caller.role == "vendor")
        match scope.kind:
            case "party":
                return await self._store.has_party(reader, tenant_id, PartyId(scope.id))
            case "vendor":
                return await self._store.has_vendor(reader, tenant_id, scope.id)
            case "user":
                known = await self._participants.get(reader, tenant_id, ParticipantId(scope.id))
                return known is not None
