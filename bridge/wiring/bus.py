"""The bus, where one is configured."""

from typing import Protocol

from bridge.config import Config
from bridge.core.ids import TenantId
from bridge.storage.database import Database, Reader
from bridge.wiring.product import Product


class RunningBus(Protocol):
    async def run(self) -> None: ...

    def trouble(self) -> str | None: ...

    async def count(self, reader: Reader, *, now: int) -> None: ...


def bus_of(config: Config, database: Database, product: Product) -> RunningBus | None:
    settings = config.bus
    if not settings.servers:
        return None
    # Here, because to import them takes a second, and most have no bus.
    from bridge.platform.bus.incoming import EventsFromBus
    from bridge.platform.bus.outgoing import FeedToBus
    from bridge.platform.bus.service import Bus
    from bridge.platform.bus.store import PublishedStore

    incoming = EventsFromBus(
        product.reception,
        product.intake,
        tenants=[TenantId(tenant.id) for tenant in config.platform.tenants],
        subject=settings.events_subject,
    )
    outgoing = FeedToBus(
        database, product.feed, product.feed_store, PublishedStore(), subject=settings.feed_subject
    )
    return Bus(settings, incoming, outgoing)
