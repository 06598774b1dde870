"""How far the feed has been published, in the database."""

from bridge.feed.model import Place
from bridge.storage.database import Reader, Transaction

PUT = """
INSERT INTO published (target, seq, event_id) VALUES ($1, $2, $3)
ON CONFLICT (target) DO UPDATE SET seq = excluded.seq, event_id = excluded.event_id
"""
SELECT = "SELECT seq, event_id FROM published WHERE target = $1"
# `seq` has no holes; what has none yet comes behind all that has one.
BEHIND = """
SELECT COALESCE((SELECT f.seq FROM feed f WHERE f.seq IS NOT NULL ORDER BY f.seq DESC LIMIT 1), 0) - p.seq AS ordered,
    (SELECT COUNT(*) FROM feed f WHERE f.seq IS NULL) AS unordered,
    COALESCE(
        (SELECT f.created_at FROM feed f WHERE f.seq > p.seq ORDER BY f.seq LIMIT 1),
        (SELECT f.created_at FROM feed f WHERE f.seq IS NULL ORDER BY f.entry LIMIT 1)
    ) AS since
FROM published p WHERE p.target = $1
"""


class PublishedStore:
    async def get(self, reader: Reader, target: str) -> Place | None:
        """None where nothing was yet."""
        row = await reader.fetch_one(SELECT, target)
        return None if row is None else Place(row["seq"], row["event_id"])

    async def behind(self, reader: Reader, target: str) -> tuple[int, int | None]:
        """How many entries of the feed are not published yet, and when (epoch ms) the first of them happened."""
        row = await reader.fetch_one(BEHIND, target)
        return (0, None) if row is None else (max(row["ordered"], 0) + row["unordered"], row["since"])

    async def put(self, tx: Transaction, target: str, place: Place) -> None:
        await tx.execute(PUT, target, place.seq, place.event_id)
