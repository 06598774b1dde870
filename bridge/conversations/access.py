"""Who may see which conversation. What one may not see looks as if it were not there."""

from bridge.conversations.absence_store import seen_by
from bridge.conversations.absences import ALL, Seen
from bridge.conversations.store import ConversationStore, Stored
from bridge.core.caller import Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, ParticipantId
from bridge.storage.database import Reader


class Access:
    """Programs and staff see all conversations of their tenant, people those in which they take part."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    async def to(self, reader: Reader, caller: Caller, conversation_id: ConversationId) -> Stored:
        """The conversation, if the caller may see it; else raise `NotFound`."""
        stored = await self._store.find(reader, caller.tenant_id, conversation_id)
        if stored is None or (
            caller.is_person and not await self._takes_part(reader, caller, conversation_id)
        ):
            raise NotFound("There is no conversation with this id.", field="conversation_id")
        return stored

    async def seen(self, reader: Reader, caller: Caller, conversation_id: ConversationId) -> Seen:
        """What of the conversation, which they may see, the caller sees; programs and staff all of it."""
        person = member_of(caller)
        return ALL if person is None else await seen_by(reader, conversation_id, person)

    async def _takes_part(self, reader: Reader, caller: Caller, conversation_id: ConversationId) -> bool:
        return caller.participant_id is not None and await self._store.is_member(
            reader, conversation_id, caller.participant_id
        )


def member_of(caller: Caller) -> ParticipantId | None:
    """Whose conversations alone the caller may be shown; None: all of the tenant."""
    if not caller.is_person:
        return None
    # No token makes such a caller; should one come about, it shall see nothing rather than everything.
    return caller.participant_id or ParticipantId("")
