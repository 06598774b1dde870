"""A ghost follows its person: their name, their picture. An account holder's profile is their own."""

import json

import structlog

from appservice.ghosts import Ghosts, has_ghost
from appservice.names import Names
from appservice.outbound.decisions import decided
from bridge.conversations.store import ConversationStore
from bridge.core.ids import ParticipantId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Database

log = structlog.get_logger(__name__)


class Profiles:
    def __init__(
        self,
        *,
        database: Database,
        names: Names,
        ghosts: Ghosts,
        participants: ParticipantStore,
        conversations: ConversationStore,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._names = names
        self._ghosts = ghosts
        self._participants = participants
        self._conversations = conversations
        self._outbox = outbox

    async def changed(self, item: Item) -> None:
        """Deliver an `AppearanceChanged`. Repeated, or overtaken, it shows the person as they are now."""
        participant_id = ParticipantId(json.loads(item.body)["participant_id"])
        person = await self._participants.get(self._database, item.tenant_id, participant_id)
        assert person is not None, "participants are not deleted"
        if await self._is_to_be_seen(person):
            async with decided():
                ghost = await self._ghosts.ensure(person)
            log.info("ghost_follows", participant=participant_id, ghost=ghost)
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)

    async def _is_to_be_seen(self, person: Participant) -> bool:
        """Whether they have a ghost, also one that is just being made."""
        ghost = self._names.ghost(person.tenant_id, person.participant_id)
        if await has_ghost(self._database, ghost):
            return True
        places = await self._conversations.of_participant(
            self._database, person.tenant_id, person.participant_id
        )
        return person.mxid is None and bool(places)
