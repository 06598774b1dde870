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
    """From now on this is the conversation's room; one that it had before is forgotten."""
    known = await room_of(tx, room.conversation_id)
    if known == room:
        return
    if known is not None:
        await tx.execute(FORGET_MEMBERS, known.room_id)
        await tx.execute(FORGET, known.room_id)
    await tx.execute(
        INSERT, room.room_id, room.tenant_id, room.conversation_id, int(room.private), clock.now()
    )


def _room(row: Row | None) -> Room | None:
    if row is None:
        return None
    return Room(
        row["room_id"],
        TenantId(row["tenant_id"]),
        ConversationId(row["conversation_id"]),
        private=bool(row["private"]),
    )
