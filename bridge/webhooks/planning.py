"""Goes through the feed once for all endpoints: each event that one wants becomes a row, in the transaction that notes
how far the feed has been read for it. Nothing is done where there is no endpoint.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bridge.core.clock import Clock
from bridge.feed.model import Entry
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.storage.database import Database, DatabaseError
from bridge.webhooks import rules
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.model import EndpointId, Happened, Reach, State
from bridge.webhooks.store import EndpointStore, lock_of

AT_ONCE = 500
"""Entries of the feed that one transaction goes through, or rows that it forgets."""
SWEEP_EVERY = 5.0
"""Seconds. What another process or the command line changed wakes nobody here: so look now and then."""
FORGET_EVERY = 10 * 60 * 1000
"""Milliseconds."""
DEAD_KEPT = 30 * rules.DAY

log = structlog.get_logger(__name__)


class Planner:
    def __init__(
        self,
        database: Database,
        feed: Feed,
        feed_store: FeedStore,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        clock: Clock,
        *,
        kept: int,
    ) -> None:
        """`kept`: milliseconds for which what was delivered can be looked at and replayed."""
        self._database = database
        self._feed = feed_store
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._clock = clock
        self._kept = kept
        self.came = asyncio.Event()
        self._somebody_listens = True
        self._planned: Callable[[], None] = lambda: None
        self._forgot_at = 0
        feed.keep_for(endpoints.least_read)
        feed.on_order(self._ordered)

    def on_plan(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever there is something to deliver, or an endpoint may have changed."""
        self._planned = tell

    def changed(self) -> None:
        """An endpoint or a delivery did."""
        self.came.set()

    async def run(self) -> None:
        """Until cancelled. One process does; should two, they take turns."""
        while True:
            self.came.clear()
            try:
                while await self.plan() == AT_ONCE:
                    self._planned()
                self._planned()
                if self._clock.now() - self._forgot_at >= FORGET_EVERY:
                    await self.forget()
                    self._forgot_at = self._clock.now()
            except DatabaseError as error:
                log.error("webhooks_trouble", error=type(error).__qualname__)
                await asyncio.sleep(1)
                continue
            try:
                async with asyncio.timeout(SWEEP_EVERY):
                    await self.came.wait()
            except TimeoutError:
                pass

    async def plan(self) -> int:
        """Go through the next entries of the feed; return how many there were."""
        known = await self._endpoints.reaches(self._database)
        self._somebody_listens = bool(known)
        if not known:
            return 0
        async with self._database.transaction() as tx:
            locked = sorted(lock_of(reach.endpoint_id) for reach in known)
            await tx.lock(*locked)
            # As they are now; who came meanwhile has its turn next.
            reaches = [one for one in await self._endpoints.reaches(tx) if lock_of(one.endpoint_id) in locked]
            if not reaches:
                return 0
            entries = await self._feed.after(tx, min(reach.after_seq for reach in reaches), limit=AT_ONCE)
            if entries:
                new = [(one, _happened(entry)) for entry in entries for one in _told(reaches, entry)]
                await self._deliveries.insert(tx, new, now=self._clock.now())
                everybody = [reach.endpoint_id for reach in reaches]
                await self._endpoints.have_read(tx, everybody, up_to=entries[-1].seq)
        return len(entries)

    async def forget(self) -> None:
        """What was delivered long ago, what was given up very long ago, and all of an endpoint that is no more."""
        now = self._clock.now()
        await self._forget_finished("done", before=now - self._kept)
        await self._forget_finished("dead", before=now - DEAD_KEPT)
        for endpoint_id in await self._endpoints.deleted(self._database):
            await self._forget_endpoint(endpoint_id)

    async def _forget_finished(self, state: State, *, before: int) -> None:
        gone = AT_ONCE
        while gone == AT_ONCE:
            async with self._database.transaction() as tx:
                gone = await self._deliveries.forget(tx, state=state, before=before, limit=AT_ONCE)

    async def _forget_endpoint(self, endpoint_id: EndpointId) -> None:
        while True:
            async with self._database.transaction() as tx:
                await tx.lock(lock_of(endpoint_id))
                gone = await self._deliveries.forget_of(tx, endpoint_id, limit=AT_ONCE)
                if gone < AT_ONCE:
                    await self._endpoints.forget(tx, endpoint_id)
                    return

    def _ordered(self) -> None:
        if self._somebody_listens:
            self.came.set()


def _told(reaches: Sequence[Reach], entry: Entry) -> list[EndpointId]:
    """The entry is of concern to one person alone where it has no number: no program is told of it."""
    if not entry.number or not entry.event:
        return []
    return [
        reach.endpoint_id
        for reach in reaches
        if reach.tenant_id == entry.tenant_id
        and reach.after_seq < entry.seq
        and rules.wants(reach.events, entry.event)
    ]


def _happened(entry: Entry) -> Happened:
    return Happened(
        event_id=entry.event_id,
        event=entry.event,
        lane=entry.conversation_id,
        number=entry.number,
        about=entry.about,
        occurred_at=entry.created_at,
    )
