"""The feed onto the bus: each entry at least once and in order, from where it was last known to have arrived."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping

import structlog

from bridge.feed.kinds import PRIVATE
from bridge.feed.model import BEGINNING, Entry, Place
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.platform.bus.store import PublishedStore
from bridge.storage.database import Database, DatabaseError, Reader
from bridge.web.fields import rfc3339

TARGET = "bus"
AT_ONCE = 100
SWEEP_EVERY = 5.0
"""Seconds. What another process put in order wakes nobody here."""
PAUSE = 1.0

Publish = Callable[[str, bytes, Mapping[str, str]], Awaitable[None]]
"""Subject, body, headers; returns once the bus has it on disk, else raises `BusTrouble`."""

log = structlog.get_logger(__name__)


class BusTrouble(Exception):
    """It did not take it; perhaps later."""


class FeedToBus:
    def __init__(
        self, database: Database, feed: Feed, feed_store: FeedStore, store: PublishedStore, *, subject: str
    ) -> None:
        self._database = database
        self._feed_store = feed_store
        self._store = store
        self._subject = subject
        self._came = asyncio.Event()
        feed.on_order(self._came.set)
        feed.keep_for(self._read)

    async def begin(self) -> None:
        """What happens from now on is published, however long the bus cannot be reached yet."""
        try:
            await self._place()
        except DatabaseError as trouble:
            log.warning("feed_not_published", reason=type(trouble).__qualname__)

    async def run(self, publish: Publish) -> None:
        """Until cancelled."""
        while True:
            self._came.clear()
            try:
                while await self.step(publish) == AT_ONCE:
                    pass
            except (BusTrouble, DatabaseError) as trouble:
                log.warning("feed_not_published", reason=type(trouble).__qualname__)
                await asyncio.sleep(PAUSE)
                continue
            try:
                async with asyncio.timeout(SWEEP_EVERY):
                    await self._came.wait()
            except TimeoutError:
                pass

    async def step(self, publish: Publish) -> int:
        """Publish what comes next; return how many entries were looked at."""
        place = await self._place()
        entries = await self._feed_store.after(self._database, place.seq, limit=AT_ONCE)
        reached = place
        try:
            for entry in entries:
                if entry.kind not in PRIVATE:
                    await publish(
                        f"{self._subject}.{entry.tenant_id}.{entry.event}",
                        body_of(entry),
                        # What was published and not remembered is the same to the bus, for as long as that remembers.
                        {"Nats-Msg-Id": entry.event_id},
                    )
                reached = entry.place
        finally:
            if reached != place:
                await self._remember(reached)
        return len(entries)

    async def _read(self, reader: Reader) -> int | None:
        place = await self._store.get(reader, TARGET)
        return None if place is None else place.seq

    async def _place(self) -> Place:
        """Behind what was published last; where there is none yet, behind all that happened so far."""
        place = await self._store.get(self._database, TARGET)
        if place is None:
            place = await self._feed_store.newest(self._database)
            await self._remember(place)
        elif not await self._feed_store.is_kept(self._database, place):
            log.warning("feed_has_a_gap", seq=place.seq)
            place = BEGINNING
        return place

    async def _remember(self, place: Place) -> None:
        async with self._database.transaction() as tx:
            tx.may_be_lost = True  # then it is published once more
            await self._store.put(tx, TARGET, place)


def body_of(entry: Entry) -> bytes:
    """A CloudEvent: what happened where, by ids. What was said is read by the API."""
    where = {"conversation_id": entry.conversation_id} if entry.is_of_conversation else {}
    event = {
        "specversion": "1.0",
        "id": entry.event_id,
        "source": "/festimo",
        "type": entry.event,
        "time": rfc3339(entry.created_at),
        "subject": entry.conversation_id,
        "sequence": str(entry.number),
        "datacontenttype": "application/json",
        "data": {**where, **entry.about},
    }
    return json.dumps(event).encode()
