"""A room of the bot and one person, for what is nobody else's business. Encrypted and invite-only like all our rooms;
only the bot can write there."""

from typing import Any

from appservice.members import Members
from appservice.names import Names
from appservice.outbound.rooms import POWER_LEVELS, STAFF, Rooms, room_body
from appservice.room_map import Room, remember_room, room_of
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId
from bridge.delivery.queue import Item
from bridge.recap.model import Recap
from bridge.storage.database import Database

TOPIC = (
    "Festimo tells you here what you missed. Nobody reads what is written here: write in the conversation."
)
LONGEST_NAME = 255


class PrivateRooms:
    def __init__(
        self, *, database: Database, names: Names, rooms: Rooms, members: Members, clock: Clock
    ) -> None:
        self._database = database
        self._names = names
        self._rooms = rooms
        self._members = members
        self._clock = clock

    async def ensure(self, item: Item, recap: Recap, title: str) -> str:
        """Return the room of this recap, to which the person has been invited. Can be repeated after any kill."""
        place = ConversationId(recap.recap_id)
        known = await room_of(self._database, place)
        room_id = known.room_id if known else await self._rooms.make(place, self.creation(place, title))
        if known is None:
            async with self._database.transaction() as tx:
                await remember_room(tx, Room(room_id, recap.tenant_id, place, private=True), self._clock)
        await self._rooms.invites.account(item, room_id, recap.address)
        async with self._database.transaction() as tx:
            await self._members.mark_stale(tx, room_id)
        return room_id

    def creation(self, place: ConversationId, title: str) -> dict[str, Any]:
        return room_body(
            alias=self._names.alias_localpart(place),
            name=f"What you missed: {title}"[:LONGEST_NAME],
            topic=TOPIC,
            power_levels=POWER_LEVELS | {"events_default": STAFF, "events": {}},
        )
