"""Of conversations that go on in another room: where what was said stands, and what becomes of what was on its way.

A relation (an edit, a reaction, a reply ...) holds within one room only: what would point into another one is left out.
Of a conversation that has had one room only, nothing is asked.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from appservice.homeserver import Homeserver, HomeserverRefused
from appservice.names import Names
from appservice.outbound.rooms import TOMBSTONE
from appservice.room_map import Room, former_rooms_of, room_of
from bridge.core.ids import ConversationId
from bridge.delivery.dispatcher import Retry
from bridge.storage.database import Database

SELECT_OF_SESSION = """
SELECT f.room_id FROM former_rooms f JOIN inbound_sessions i ON i.room_id = f.room_id
WHERE f.conversation_id = $1 AND i.session_id = $2
"""
OUT_OF_REACH = (403, 404)
"""Not even the bot is in it any more, or there is no such event in it."""

log = structlog.get_logger(__name__)


class FormerRooms:
    def __init__(self, database: Database, homeserver: Homeserver, names: Names) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names

    async def of_session(self, conversation_id: ConversationId, session_id: str) -> str | None:
        """The former room for which this was encrypted; None where it was for the present one."""
        room_id: str | None = await self._database.fetch_value(SELECT_OF_SESSION, conversation_id, session_id)
        return room_id

    async def is_in(self, room: Room, event_id: str) -> bool:
        """Whether what is said in the room may point at this event."""
        if not await former_rooms_of(self._database, room.conversation_id):
            return True
        return await self._holds(room.room_id, event_id)

    async def home_of(self, conversation_id: ConversationId, event_id: str) -> str | None:
        """The room in which this event stands; None where it is out of our reach."""
        room = await room_of(self._database, conversation_id)
        former = await former_rooms_of(self._database, conversation_id)
        if not former:
            return None if room is None else room.room_id
        for room_id in (*([] if room is None else [room.room_id]), *former):
            if await self._holds(room_id, event_id):
                return room_id
        return None

    @asynccontextmanager
    async def watching(self, room_id: str) -> AsyncIterator[None]:
        """Around what is sent into the room. Where it is refused because the room was replaced, of which we have not
        heard yet: it waits until we have, and goes into the next room then."""
        try:
            yield
        except HomeserverRefused as refusal:
            if refusal.status == 403 and await self._is_replaced(room_id):
                log.info("refused_by_replaced_room", room=room_id)
                raise Retry("the room was replaced, and the next one is not known yet") from refusal
            raise

    async def _holds(self, room_id: str, event_id: str) -> bool:
        try:
            await self._homeserver.said_at(self._names.bot, room_id, event_id)
        except HomeserverRefused as refusal:
            if refusal.status not in OUT_OF_REACH:
                raise
            return False
        return True

    async def _is_replaced(self, room_id: str) -> bool:
        try:
            state = await self._homeserver.state(self._names.bot, room_id)
        except HomeserverRefused:
            return False
        return any((event["type"], event["state_key"]) == TOMBSTONE for event in state)
