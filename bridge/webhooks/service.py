"""Endpoints: make, change, rotate, disable, delete, try; and have what was delivered or given up delivered again."""

from collections.abc import Callable, Collection

from bridge.core.clock import Clock
from bridge.core.errors import NotFound
from bridge.core.ids import TenantId, new_id
from bridge.feed.store import FeedStore
from bridge.storage.database import Reader, Transaction
from bridge.webhooks import rules
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.errors import StillWaiting, WebhookDisabled
from bridge.webhooks.model import TEST, Address, Delivery, Endpoint, EndpointId, Happened, Secrets
from bridge.webhooks.payload import known_events
from bridge.webhooks.signing import new_secret
from bridge.webhooks.store import EndpointStore, lock_of

AT_ONCE = 500
"""Dead letters replayed in one transaction: nothing else is written meanwhile."""


class Webhooks:
    """What a refusal is raised for has changed nothing. `tenant_id` None: of any tenant, the operator's view."""

    def __init__(
        self,
        store: EndpointStore,
        deliveries: DeliveryStore,
        feed: FeedStore,
        clock: Clock,
        *,
        known: Collection[str] | None = None,
    ) -> None:
        """`known`: events that there are; but for tests, those of the feed."""
        self._store = store
        self._deliveries = deliveries
        self._feed = feed
        self._clock = clock
        self._known = known_events() if known is None else known
        self._on_change: Callable[[], None] = lambda: None

    def on_change(self, tell: Callable[[], None]) -> None:
        """Have `tell` called after each commit in which something changed that is to be looked at soon."""
        self._on_change = tell

    async def make(self, tx: Transaction, tenant_id: TenantId, address: Address) -> Endpoint:
        """It is told of what happens from now on. Its host must have been checked: that takes the network."""
        rules.check_events(address.events, known=self._known)
        await tx.lock(f"webhooks:{tenant_id}")  # two at once must not come to more than are allowed
        rules.check_how_many(await self._store.how_many(tx, tenant_id))
        endpoint_id = EndpointId(new_id())
        await self._store.insert(
            tx,
            endpoint_id,
            tenant_id=tenant_id,
            address=address,
            secrets=Secrets(current=new_secret()),
            after_seq=(await self._feed.newest(tx)).seq,
            now=self._clock.now(),
        )
        return await self._changed(tx, tenant_id, endpoint_id)

    async def get(self, reader: Reader, tenant_id: TenantId | None, endpoint_id: str) -> Endpoint:
        found = await self._store.find(reader, EndpointId(endpoint_id))
        if found is None or tenant_id not in (None, found.tenant_id):
            raise NotFound("There is no webhook with this id.", field="webhook_id")
        return found

    async def of(self, reader: Reader, tenant_id: TenantId | None) -> list[Endpoint]:
        return await self._store.of(reader, tenant_id)

    async def change(
        self,
        tx: Transaction,
        tenant_id: TenantId | None,
        endpoint_id: str,
        address: Address,
        *,
        enabled: bool,
    ) -> Endpoint:
        """What waits goes to the new address. Its host must have been checked."""
        rules.check_events(address.events, known=self._known)
        endpoint = await self._locked(tx, tenant_id, endpoint_id)
        now = self._clock.now()
        await self._store.update(tx, endpoint, address=address, secrets=endpoint.secrets, now=now)
        await self._switch(tx, endpoint, enabled=enabled)
        return await self._changed(tx, tenant_id, endpoint.endpoint_id)

    async def switch(
        self, tx: Transaction, tenant_id: TenantId | None, endpoint_id: str, *, enabled: bool
    ) -> Endpoint:
        """Enabled, it is told of what happens from then on, and what waited before is tried at once."""
        endpoint = await self._locked(tx, tenant_id, endpoint_id)
        await self._switch(tx, endpoint, enabled=enabled)
        return await self._changed(tx, tenant_id, endpoint.endpoint_id)

    async def rotate(
        self, tx: Transaction, tenant_id: TenantId | None, endpoint_id: str, *, overlap: int
    ) -> Endpoint:
        """Another secret; for `overlap` ms both sign."""
        endpoint = await self._locked(tx, tenant_id, endpoint_id)
        now = self._clock.now()
        secrets = Secrets(
            current=new_secret(),
            former=endpoint.secrets.current if overlap else None,
            former_until=now + overlap if overlap else 0,
        )
        await self._store.update(tx, endpoint, address=endpoint.address, secrets=secrets, now=now)
        return await self._changed(tx, tenant_id, endpoint.endpoint_id)

    async def delete(self, tx: Transaction, tenant_id: TenantId | None, endpoint_id: str) -> Endpoint:
        """Nothing is sent there any more; what waited is forgotten."""
        endpoint = await self._locked(tx, tenant_id, endpoint_id)
        await self._store.delete(tx, endpoint.endpoint_id, now=self._clock.now())
        tx.after_commit(self._on_change)
        return endpoint

    async def test(self, tx: Transaction, tenant_id: TenantId | None, endpoint_id: str) -> Delivery:
        """Have an event sent that stands for none, once, past whatever waits."""
        endpoint = await self._enabled(tx, tenant_id, endpoint_id)
        now, event_id = self._clock.now(), new_id()
        happened = Happened(
            event_id=event_id, event=TEST, lane=f"test/{event_id}", number=0, about={}, occurred_at=now
        )
        await self._deliveries.insert(tx, [(endpoint.endpoint_id, happened)], now=now)
        tx.after_commit(self._on_change)
        return await self.delivery(tx, tenant_id, endpoint_id, event_id)

    async def delivery(
        self, reader: Reader, tenant_id: TenantId | None, endpoint_id: str, event_id: str
    ) -> Delivery:
        endpoint = await self.get(reader, tenant_id, endpoint_id)
        found = await self._deliveries.find(reader, endpoint.endpoint_id, event_id)
        if found is None:
            raise NotFound(
                "There is no delivery of this id to this webhook, or it is not kept any more.",
                field="delivery_id",
            )
        return found

    async def replay(
        self, tx: Transaction, tenant_id: TenantId | None, endpoint_id: str, event_id: str
    ) -> Delivery:
        """Have it delivered again, with the same id, whether it was delivered or given up."""
        endpoint = await self._enabled(tx, tenant_id, endpoint_id)
        one = await self.delivery(tx, tenant_id, endpoint_id, event_id)
        if not await self._deliveries.replay(tx, one, now=self._clock.now()):
            raise StillWaiting("It waits to be delivered already. Nothing was changed.", field="delivery_id")
        tx.after_commit(self._on_change)
        return await self.delivery(tx, tenant_id, endpoint.endpoint_id, event_id)

    async def replay_dead(
        self, tx: Transaction, tenant_id: TenantId | None, endpoint_id: str, *, after: int = 0
    ) -> tuple[int, int | None]:
        """Have dead letters tried again, those recorded first first, and what waits for its time at once.

        Return how many dead letters, and behind which `seq` to go on, if anywhere.
        """
        endpoint = await self._enabled(tx, tenant_id, endpoint_id)
        now = self._clock.now()
        found = await self._deliveries.dead(tx, endpoint.endpoint_id, after=after, limit=AT_ONCE + 1)
        for one in found[:AT_ONCE]:
            await self._deliveries.replay(tx, one, now=now)
        await self._deliveries.hurry(tx, endpoint.endpoint_id, now=now)
        tx.after_commit(self._on_change)
        return min(len(found), AT_ONCE), found[AT_ONCE - 1].seq if len(found) > AT_ONCE else None

    async def _locked(self, tx: Transaction, tenant_id: TenantId | None, endpoint_id: str) -> Endpoint:
        endpoint = await self.get(tx, tenant_id, endpoint_id)
        await tx.lock(lock_of(endpoint.endpoint_id))
        return await self.get(tx, tenant_id, endpoint_id)

    async def _enabled(self, tx: Transaction, tenant_id: TenantId | None, endpoint_id: str) -> Endpoint:
        endpoint = await self._locked(tx, tenant_id, endpoint_id)
        if endpoint.disabled is not None:
            raise WebhookDisabled(
                "Nothing is sent to a disabled webhook. Nothing was changed. Enable it first.",
                field="webhook_id",
            )
        return endpoint

    async def _switch(self, tx: Transaction, endpoint: Endpoint, *, enabled: bool) -> None:
        now = self._clock.now()
        if not enabled:
            await self._store.disable(tx, endpoint.endpoint_id, "by_request", now=now)
        elif endpoint.disabled is not None:
            newest = (await self._feed.newest(tx)).seq
            await self._store.enable(tx, endpoint.endpoint_id, after_seq=newest, now=now)
            await self._deliveries.hurry(tx, endpoint.endpoint_id, now=now)

    async def _changed(
        self, tx: Transaction, tenant_id: TenantId | None, endpoint_id: EndpointId
    ) -> Endpoint:
        tx.after_commit(self._on_change)
        return await self.get(tx, tenant_id, endpoint_id)
