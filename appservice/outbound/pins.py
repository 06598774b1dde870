"""What is pinned into the room's list: by the bot, as it is now, whatever an item told of."""

import json

import structlog

from appservice.homeserver import Homeserver
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.former_rooms import FormerRooms
from appservice.room_map import room_of
from bridge.core.ids import ConversationId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.pins import rules
from bridge.messages.pins.store import PinStore
from bridge.storage.database import Database

log = structlog.get_logger(__name__)


class PinsInRoom:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        store: PinStore,
        former_rooms: FormerRooms,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._store = store
        self._former_rooms = former_rooms
        self._outbox = outbox

    async def changed(self, item: Item) -> None:
        """Deliver a `PinsChanged`. What is pinned has gone before: it stands in the same lane."""
        conversation_id = ConversationId(json.loads(item.body)["conversation_id"])
        room = await room_of(self._database, conversation_id)
        if room is not None:
            async with decided():
                there = await self._homeserver.pinned(self._names.bot, room.room_id)
                pinned = await self._store.origins(self._database, conversation_id)
                ours = [one for one in pinned if await self._former_rooms.is_in(room, one)]
                known = await self._store.known(self._database, conversation_id, there)
                wanted = rules.shown(ours=ours, known=known, there=there)
                if wanted != there:
                    await self._homeserver.pin(self._names.bot, room.room_id, wanted)
                    log.info("pins_shown", conversation=conversation_id, number=len(wanted))
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)
