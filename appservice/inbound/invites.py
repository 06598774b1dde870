"""Whom a person invites in their client: they take part as if the API had been asked, or the invite is taken back.

The platform introduces people to each other: whom it has not told of is let in nowhere.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from appservice.inbound.late import LateNotices
from appservice.inbound.people import with_account
from appservice.names import Names
from appservice.readers import Readers
from appservice.room_map import Room
from bridge.conversations.additions import Addition
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.errors import NotAllowed
from bridge.conversations.events import InviteRefused
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.errors import Refusal
from bridge.delivery.outbox import Outbox
from bridge.participants.erasures import ErasureStore
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction

log = structlog.get_logger(__name__)


class InboundInvites:
    def __init__(
        self,
        *,
        names: Names,
        changes: ConversationChanges,
        conversations: ConversationStore,
        participants: ParticipantStore,
        readers: Readers,
        outbox: Outbox,
        late: LateNotices,
    ) -> None:
        self._names = names
        self._changes = changes
        self._conversations = conversations
        self._participants = participants
        self._readers = readers
        self._outbox = outbox
        self._late = late
        self._erasures = ErasureStore()

    async def invited(self, tx: Transaction, room: Room, event: Mapping[str, Any], *, at: int) -> None:
        """By somebody else than us. `at`: in epoch ms, by the room's clock."""
        user = str(event["state_key"])
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        try:
            person = await self._let_in(tx, conversation, user, by=event["sender"])
        except Refusal as refusal:
            log.warning("invite_refused", room=room.room_id, user=user, by=event["sender"])
            refused = InviteRefused(
                tenant_id=room.tenant_id, conversation_id=room.conversation_id, address=user
            )
            await self._outbox.record(tx, refused)
            await self._late.invite(tx, conversation, who=user, reason=refusal.detail)
            return
        await self._readers.to_be_invited(tx, conversation, person, asked_at=at)
        await self._readers.invited(tx, room, person.participant_id, at=at)

    async def _let_in(
        self, tx: Transaction, conversation: Conversation, user: str, *, by: str
    ) -> Participant:
        """Raise `Refusal`, having changed nothing, where they may not be there."""
        people = await self._conversations.members(tx, conversation.conversation_id)
        known = with_account(people, user)
        if known is not None and known.away is None:
            return known.participant  # the homeserver let it be, so they are not there yet: as good as by us
        asking = with_account(people, by)
        person = await self._participants.of_mxid(tx, conversation.tenant_id, user)
        if asking is None or person is None or await self._is_erased(tx, person):
            raise NotAllowed("The platform introduces people to each other. Ask it to add them.")
        if known is not None and known.away == "blocked":
            raise NotAllowed("They are blocked. Reopen the conversation first.")
        added = Addition(participant_id=person.participant_id)
        await self._changes.add(tx, conversation, [added], asking=asking.participant.participant_id)
        return person

    async def _is_erased(self, tx: Transaction, person: Participant) -> bool:
        assert person.mxid is not None
        return await self._erasures.is_account(tx, person.tenant_id, person.mxid)
