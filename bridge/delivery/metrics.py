"""What Prometheus is told about the inbox and the outbox. Labels are topics and outcomes: never ids, never content."""

from prometheus_client import Counter, Gauge, Histogram

from bridge.storage.database import Reader

ITEMS = Counter("festimo_items", "Attempts at inbox and outbox items", ["topic", "outcome"])
"""outcome: done, retried, fault, dead, replayed."""
ITEM_SECONDS = Histogram(
    "festimo_item_seconds",
    "From the moment an item was recorded until it was done",
    ["topic"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
KEPT = Gauge(
    "festimo_items_kept",
    "Items that wait, are parked (for a room key, or till somebody is known), or are dead letters",
    ["queue", "state"],
)

# By their partial indexes: what is done is kept for ever, and never looked at here.
COUNT = """
SELECT 'inbox' AS queue, 'waiting' AS state, COUNT(*) AS number FROM inbox WHERE state = 'waiting'
UNION ALL SELECT 'inbox', 'parked', COUNT(*) FROM inbox WHERE state = 'parked'
UNION ALL SELECT 'inbox', 'dead', COUNT(*) FROM inbox WHERE state = 'dead'
UNION ALL SELECT 'outbox', 'waiting', COUNT(*) FROM outbox WHERE state = 'waiting'
UNION ALL SELECT 'outbox', 'dead', COUNT(*) FROM outbox WHERE state = 'dead'
"""


async def count_kept(reader: Reader) -> None:
    """Set the gauge from the database, which is the truth of it."""
    KEPT.labels("outbox", "parked").set(0)
    for row in await reader.fetch(COUNT):
        KEPT.labels(row["queue"], row["state"]).set(row["number"])
