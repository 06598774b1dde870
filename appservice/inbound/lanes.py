"""Which lane of the inbox brings what is said in which conversation: one per room."""

from collections.abc import Mapping, Sequence

from appservice.room_map import room_by_id, room_of
from bridge.core.ids import ConversationId
from bridge.storage.database import Reader

PREFIX = "room:"


class RoomLanes:
    """The port of dead letters."""

    async def lane_of(self, reader: Reader, conversation_id: ConversationId) -> str | None:
        room = await room_of(reader, conversation_id)
        return None if room is None else PREFIX + room.room_id

    async def conversations_of(self, reader: Reader, lanes: Sequence[str]) -> Mapping[str, ConversationId]:
        known = {}
        for lane in lanes:
            room = await room_by_id(reader, lane.removeprefix(PREFIX)) if lane.startswith(PREFIX) else None
            if room is not None:
                known[lane] = room.conversation_id
        return known
