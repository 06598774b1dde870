"""Which space shows which party's list."""

from bridge.core.clock import Clock
from bridge.storage.database import Reader, Transaction

SELECT = "SELECT room_id FROM spaces WHERE list_id = $1"
SELECT_LIST = "SELECT list_id FROM spaces WHERE room_id = $1"
PUT = """
INSERT INTO spaces (list_id, room_id, created_at) VALUES ($1, $2, $3)
ON CONFLICT (list_id) DO UPDATE SET room_id = excluded.room_id
"""


async def space_of(reader: Reader, list_id: str) -> str | None:
    space: str | None = await reader.fetch_value(SELECT, list_id)
    return space


async def list_shown_in(reader: Reader, room_id: str) -> str | None:
    """None: it is no space of ours, or not any more."""
    list_id: str | None = await reader.fetch_value(SELECT_LIST, room_id)
    return list_id


async def remember_space(tx: Transaction, list_id: str, room_id: str, clock: Clock) -> None:
    """From now on this is the list's space; one that it had before is forgotten."""
    await tx.execute(PUT, list_id, room_id, clock.now())
