"""The bus, where one is configured."""

from bridge.config import Config
from bridge.core.ids import TenantId
from bridge.platform.bus.incoming import EventsFromBus
from bridge.platform.bus.outgoing import FeedToBus
from bridge.platform.bus.service import Bus
from bridge.platform.bus.store import PublishedStore
from bridge.storage.database import Database
from bridge.wiring.product import Product


def bus_of(config: Config, database: Database, product: Product) -> Bus | None:
    settings = config.bus
    if not settings.servers:
        return None
    incoming = EventsFromBus(
        product.reception,
        product.intake,
        tenants=[TenantId(tenant.id) for tenant in config.platform.tenants],
        subject=settings.events,
    )
    outgoing = FeedToBus(database, product.feed, product.feed_store, PublishedStore(), subject=settings.feed)
    return Bus(settings, incoming, outgoing)
