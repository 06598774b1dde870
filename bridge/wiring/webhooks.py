"""What sends to webhooks; and, for the command line, what knows of them."""

import asyncio

from bridge.config import Config
from bridge.core.clock import Clock
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from bridge.webhooks.courier import Courier
from bridge.webhooks.delivering import Deliverer
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.planning import Planner
from bridge.webhooks.service import Webhooks
from bridge.webhooks.store import EndpointStore
from bridge.wiring.callers import sealer_of


class Sending:
    def __init__(self, config: Config, database: Database, sealer: Sealer, feed: Feed, clock: Clock) -> None:
        endpoints, deliveries, feed_store = EndpointStore(sealer), DeliveryStore(), FeedStore()
        self.courier = courier_of(config)
        self.webhooks = Webhooks(endpoints, deliveries, feed_store, clock)
        self._planner = Planner(
            database, feed, feed_store, endpoints, deliveries, clock, kept=config.webhooks.kept
        )
        self._deliverer = Deliverer(database, endpoints, deliveries, self.courier, clock)
        self._planner.on_plan(self._deliverer.wake)
        self.webhooks.on_change(self._planner.changed)

    async def run(self) -> None:
        """Until cancelled."""
        async with self.courier, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._planner.run())
            tasks.create_task(self._deliverer.run())


def webhooks(config: Config, clock: Clock) -> Webhooks:
    """For the command line: a bridge that runs beside it finds what was changed at its next sweep."""
    return Webhooks(EndpointStore(sealer_of(config, clock)), DeliveryStore(), FeedStore(), clock)


def courier_of(config: Config) -> Courier:
    return Courier(allowed=config.webhooks.networks)
