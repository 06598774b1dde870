"""We have a conversation go on in a new room: made first, so that the former one can lead there (`m.room.tombstone`).

A kill at any moment leaves something to go on from. The new room is found again by its alias. Should the homeserver
bring the tombstone before we have noted the move, it is one that somebody else has made, and leads to the same room.
"""

import json

import structlog

from appservice.homeserver import Homeserver
from appservice.moves import Moves
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.rooms import NOBODY_WRITES, TOMBSTONE, Rooms
from appservice.room_map import room_of
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.ids import ConversationId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.storage.database import Database

WORDS = "This conversation goes on in another room."

log = structlog.get_logger(__name__)


class Upgrades:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        rooms: Rooms,
        moves: Moves,
        conversations: ConversationStore,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._rooms = rooms
        self._moves = moves
        self._conversations = conversations
        self._outbox = outbox

    async def asked(self, item: Item) -> None:
        """Deliver an `UpgradeAsked`. What was said before it has gone into the former room."""
        told = json.loads(item.body)
        conversation = await self._conversations.get(self._database, ConversationId(told["conversation_id"]))
        assert conversation is not None, "the rows of conversations stay"
        room = await room_of(self._database, conversation.conversation_id)
        is_to_move = room is not None and room.room_id == told["place"] and conversation.deleted_at is None
        if room is not None and is_to_move:
            async with decided():
                await self._end(conversation, room.room_id)
        async with self._database.transaction() as tx:
            if room is not None and is_to_move and await room_of(tx, conversation.conversation_id) == room:
                await self._moves.leave(tx, room, conversation)
            await self._outbox.finish(tx, item)
        log.info("upgrade_asked", conversation=conversation.conversation_id, done=is_to_move)

    async def _end(self, conversation: Conversation, former: str) -> None:
        """The same again changes nothing."""
        bot = self._names.bot
        room_id = await self._rooms.ensure(conversation, [former])
        state = await self._homeserver.state(bot, former)
        (levels,) = (event["content"] for event in state if event["type"] == "m.room.power_levels")
        nobody = levels | {"events_default": NOBODY_WRITES, "events": {}}
        await self._homeserver.set_state(bot, former, "m.room.power_levels", nobody)
        tombstone = {"body": WORDS, "replacement_room": room_id}
        await self._homeserver.set_state(bot, former, TOMBSTONE[0], tombstone)
