"""All that sends to webhooks, on a database and a clock of the test's own."""

from collections.abc import Sequence
from ipaddress import ip_network

from bridge.core.clock import FrozenClock, SystemClock
from bridge.core.events import Event
from bridge.core.ids import ConversationId, MessageId, TenantId
from bridge.delivery.outbox import Outbox
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.messages.events import MessagePosted
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from bridge.webhooks.courier import Courier
from bridge.webhooks.delivering import Carrier, Deliverer
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.model import Address, Delivery, Endpoint
from bridge.webhooks.planning import Planner
from bridge.webhooks.rules import DAY
from bridge.webhooks.service import Webhooks
from bridge.webhooks.store import EndpointStore
from tests.bridge.webhooks.names import names

TENANT, OTHERS = TenantId("festipin"), TenantId("other")
KEPT = 7 * DAY
FEED_KEPT = 1_000
LOOPBACK = (ip_network("127.0.0.0/8"),)


class Post:
    def __init__(
        self, database: Database, *, carrier: Carrier | None = None, clock: FrozenClock | None = None
    ) -> None:
        """`carrier`: instead of one that goes out by HTTP, to this machine, too."""
        self.database = database
        # The reference library holds what it verifies against the clock of the machine.
        self.clock = clock or FrozenClock(SystemClock().now())
        self.sealer = Sealer(b"m" * 32, self.clock)
        self.feed_store = FeedStore()
        self.feed = Feed(database, self.feed_store, self.clock, kept=FEED_KEPT)
        self.outbox = Outbox(database, self.sealer, self.clock)
        self.outbox.witness(self.feed.record)
        self.courier = Courier(allowed=LOOPBACK, names=names())
        self.endpoints, self.deliveries = EndpointStore(self.sealer), DeliveryStore()
        self.webhooks = Webhooks(self.endpoints, self.deliveries, self.feed_store, self.clock)
        self.planner = Planner(
            database, self.feed, self.feed_store, self.endpoints, self.deliveries, self.clock, kept=KEPT
        )
        self.deliverer = Deliverer(
            database, self.endpoints, self.deliveries, carrier or self.courier, self.clock, jitter=lambda: 0.0
        )
        self.planner.on_plan(self.deliverer.wake)
        self.webhooks.on_change(self.planner.changed)

    async def make(
        self, url: str, *, events: Sequence[str] | None = None, tenant: TenantId = TENANT
    ) -> Endpoint:
        async with self.database.transaction() as tx:
            return await self.webhooks.make(tx, tenant, Address(url=url, events=events))

    async def now(self, endpoint: Endpoint) -> Endpoint:
        return await self.webhooks.get(self.database, None, endpoint.endpoint_id)

    async def happens(self, *events: Event) -> None:
        async with self.database.transaction() as tx:
            for event in events:
                await self.outbox.record(tx, event)

    async def plan(self) -> None:
        while await self.feed.order():
            pass
        while await self.planner.plan():
            pass

    async def send(self, endpoint: Endpoint) -> int:
        """Try all that is due there, until nothing is. Return how many attempts that took."""
        attempts = 0
        while True:
            present = await self.now(endpoint)
            due = await self.deliverer.due(present) if present.disabled is None else []
            for one in due:
                await self.deliverer.attempt(present, one)
            if not due:
                return attempts
            attempts += len(due)

    async def kept(self, endpoint: Endpoint) -> list[Delivery]:
        """In the order in which they were recorded."""
        found = await self.deliveries.newest(
            self.database, endpoint.endpoint_id, states=(), before=2**62, limit=100_000
        )
        return found[::-1]


def said(message: str, conversation: str = "c1", tenant: TenantId = TENANT) -> MessagePosted:
    return MessagePosted(
        tenant_id=tenant, conversation_id=ConversationId(conversation), message_id=MessageId(message)
    )
