"""What Prometheus is told of the bus; nothing where there is none, as only who has one imports this."""

from prometheus_client import Gauge

from bridge.platform.bus.behind import Behind
from bridge.storage.database import Reader

DISCONNECTED = Gauge("festimo_bus_disconnected", "1 while the process that works has lost its bus, else 0")
UNPUBLISHED = Gauge("festimo_bus_unpublished", "Entries of the feed that the bus has not taken yet")
UNPUBLISHED_SECONDS = Gauge(
    "festimo_bus_unpublished_seconds", "For how long the oldest of them has waited; 0 where none does"
)


async def count_unpublished(reader: Reader, *, now: int) -> None:
    """Set the gauges from the database, which is the truth of it."""
    behind = await Behind.of(reader)
    UNPUBLISHED.set(behind.entries)
    UNPUBLISHED_SECONDS.set(behind.waited(now) / 1000)
