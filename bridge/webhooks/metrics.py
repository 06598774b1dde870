"""What Prometheus is told of webhooks. Labels are outcomes and states: never ids, never addresses."""

from prometheus_client import Counter, Gauge, Histogram

from bridge.storage.database import Reader
from bridge.webhooks.delivery_store import DeliveryStore

ATTEMPTS = Counter("festimo_webhook_attempts", "Attempts to deliver to webhooks", ["outcome"])
"""outcome: delivered, retried, dead, gone."""
SECONDS = Histogram(
    "festimo_webhook_seconds",
    "From the moment something happened until a webhook took it",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600, 86400),
)
KEPT = Gauge("festimo_webhooks_kept", "Deliveries to webhooks that wait, or were given up", ["state"])
"""state: waiting, behind (one that waits), dead."""


async def count_webhooks(reader: Reader) -> None:
    """Set the gauge from the database, which is the truth of it."""
    for state, number in (await DeliveryStore().counts(reader)).items():
        KEPT.labels(state).set(number)
