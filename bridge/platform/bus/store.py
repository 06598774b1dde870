"""How far the feed has been published, in the database."""

from bridge.feed.model import Place
from bridge.storage.database import Reader, Transaction

PUT = """
INSERT INTO published (target, seq, event_id) VALUES ($1, $2, $3)
ON CONFLICT (target) DO UPDATE SET seq = excluded.seq, event_id = excluded.event_id
"""
SELECT = "SELECT seq, event_id FROM published WHERE target = $1"


class PublishedStore:
    async def get(self, reader: Reader, target: str) -> Place | None:
        """None where nothing was yet."""
        row = await reader.fetch_one(SELECT, target)
        return None if row is None else Place(row["seq"], row["event_id"])

    async def put(self, tx: Transaction, target: str, place: Place) -> None:
        await tx.execute(PUT, target, place.seq, place.event_id)
