"""Which room is which conversation."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, TenantId
from bridge.storage.database import Reader, Row, Transaction

SELECT_BY_CONVERSATION = (
    "SELECT room_id, tenant_id, conversation_id, private FROM rooms WHERE conversation_id = $1"
)
SELECT_BY_ROOM = "SELECT room_id, tenant_id, conversation_id, private FROM rooms WHERE room_id = $1"
_SELECT_OF = "SELECT room_id, conversation_id FROM rooms WHERE conversation_id IN ({places})"
INSERT = """
INSERT INTO rooms (room_id, tenant_id, conversation_id, private, created_at) VALUES ($1, $2, $3, $4, $5)
"""
FORGET_MEMBERS = "DELETE FROM room_members WHERE room_id = $1"
FORGET = "DELETE FROM rooms WHERE room_id = $1"
PUT_FORMER = """
INSERT INTO former_rooms (room_id, tenant_id, conversation_id, replaced_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (room_id) DO NOTHING
"""
SELECT_FORMER = (
    "SELECT room_id FROM former_rooms WHERE conversation_id = $1 ORDER BY replaced_at DESC, room_id"
)
SELECT_FORMER_BY_ID = (
    "SELECT room_id, tenant_id, conversation_id, 0 AS private FROM former_rooms WHERE room_id = $1"
)


class RoomGone(Exception):
    """It is nobody's room any more: the conversation goes on in another."""


@dataclass(frozen=True, slots=True)
class Room:
    """`private`: the bot's and one person's, not a conversation's; `conversation_id` is an id of its own then."""

    room_id: str
    tenant_id: TenantId
    conversation_id: ConversationId
    private: bool = False


async def room_of(reader: Reader, conversation_id: ConversationId) -> Room | None:
    return _room(await reader.fetch_one(SELECT_BY_CONVERSATION, conversation_id))


async def rooms_of(reader: Reader, conversation_ids: Sequence[ConversationId]) -> dict[ConversationId, str]:
    """The room ids of those that have a room already."""
    if not conversation_ids:
        return {}
    places = ", ".join(f"${number}" for number in range(1, len(conversation_ids) + 1))
    rows = await reader.fetch(_SELECT_OF.format(places=places), *conversation_ids)
    return {ConversationId(row["conversation_id"]): row["room_id"] for row in rows}


async def room_by_id(reader: Reader, room_id: str) -> Room | None:
    return _room(await reader.fetch_one(SELECT_BY_ROOM, room_id))


async def remember_room(tx: Transaction, room: Room, clock: Clock) -> None:
    """From now on this is the conversation's room; one that it had before is a former one."""
    known = await room_of(tx, room.conversation_id)
    if known == room:
        return
    if known is not None:
        await leave_room(tx, known, clock)
    await tx.execute(
        INSERT, room.room_id, room.tenant_id, room.conversation_id, int(room.private), clock.now()
    )


async def leave_room(tx: Transaction, room: Room, clock: Clock) -> None:
    """From now on the conversation has no room, until it is given another one."""
    await tx.execute(FORGET_MEMBERS, room.room_id)
    await tx.execute(FORGET, room.room_id)
    await tx.execute(PUT_FORMER, room.room_id, room.tenant_id, room.conversation_id, clock.now())


async def former_rooms_of(reader: Reader, conversation_id: ConversationId) -> list[str]:
    """Where it was held before, the last first."""
    return [row["room_id"] for row in await reader.fetch(SELECT_FORMER, conversation_id)]


async def former_room_by_id(reader: Reader, room_id: str) -> Room | None:
    """For what came before the room was replaced."""
    return _room(await reader.fetch_one(SELECT_FORMER_BY_ID, room_id))


def _room(row: Row | None) -> Room | None:
    if row is None:
        return None
    return Room(
        row["room_id"],
        TenantId(row["tenant_id"]),
        ConversationId(row["conversation_id"]),
        private=bool(row["private"]),
    )
