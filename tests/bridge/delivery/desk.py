"""An inbox with somebody who works it off, and a clock on which every delay has passed at the next look."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bridge.core.clock import Clock
from bridge.core.ids import TenantId
from bridge.delivery.dispatcher import Dispatcher, Gate, Handler, OnDead
from bridge.delivery.inbox import Accepted, Inbox
from bridge.delivery.queue import Item, Queue
from bridge.storage.database import Database, Row, Transaction
from bridge.storage.sealing import Sealer

TENANT = TenantId("festipin")
MASTER_KEY = bytes(range(32))
TOPIC = "test.item"
PATIENCE = 20.0
"""Seconds until something that should have happened long ago is a failure."""

NOTE_EFFECT = "INSERT INTO tracked_users (user_id) VALUES ($1)"
SELECT_EFFECTS = "SELECT user_id FROM tracked_users ORDER BY user_id"


class RushingClock:
    """A minute later at each look: whoever computes a delay finds it over when it comes to wait."""

    STEP = 60_000

    def __init__(self) -> None:
        self.looks: list[int] = [1_800_000_000_000]

    def now(self) -> int:
        self.looks.append(self.looks[-1] + self.STEP)
        return self.looks[-1]

    def delay_until(self, time: int) -> int:
        """Milliseconds from the look at which `time` was computed."""
        return time - max(look for look in self.looks if look <= time)


class Desk:
    """`done` and `dead` hear of items once the commit that settled them is durable."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self.database = database
        self.clock = clock or RushingClock()
        self.inbox = Inbox(database, Sealer(MASTER_KEY, self.clock), self.clock)
        self.done: asyncio.Queue[Item] = asyncio.Queue()
        self.dead: asyncio.Queue[tuple[Item, str]] = asyncio.Queue()

    async def add(self, *item_ids: str, lane: str = "lane", topic: str = TOPIC) -> None:
        """In one commit; the body is the id."""
        async with self.database.transaction() as tx:
            for item_id in item_ids:
                assert await self.insert(tx, item_id, lane=lane, topic=topic) is Accepted.NEW

    async def insert(
        self,
        tx: Transaction,
        item_id: str,
        *,
        lane: str = "lane",
        topic: str = TOPIC,
        body: bytes | None = None,
    ) -> Accepted:
        return await self.inbox.add(
            tx, item_id=item_id, tenant_id=TENANT, lane=lane, topic=topic, body=body or item_id.encode()
        )

    async def finish(self, item: Item) -> None:
        """The handler that only finishes. A second effect of the same item would be a unique violation."""
        async with self.database.transaction() as tx:
            await tx.execute(NOTE_EFFECT, item.id)
            await self.inbox.finish(tx, item)
            tx.after_commit(lambda: self.done.put_nowait(item))

    async def on_dead(self, tx: Transaction, item: Item, reason: str) -> None:
        tx.after_commit(lambda: self.dead.put_nowait((item, reason)))

    @asynccontextmanager
    async def worked_off(
        self,
        handler: Handler | None = None,
        *,
        queue: Queue | None = None,
        more: Mapping[str, Handler] | None = None,
        gate: Gate | None = None,
    ) -> AsyncIterator[Dispatcher]:
        """A dispatcher of this inbox runs until the block is left. `more`: handlers of other topics."""
        handlers: Mapping[str, Handler] = {TOPIC: handler or self.finish, **(more or {})}
        on_dead: Mapping[str, OnDead] = {TOPIC: self.on_dead, "unknown": self.on_dead}
        dispatcher = Dispatcher(
            self.database, queue or self.inbox, handlers, self.clock, on_dead=on_dead, gate=gate
        )
        running = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            running.cancel()
            await asyncio.wait([running])
        assert running.cancelled(), running.exception()

    async def next_done(self) -> str:
        async with asyncio.timeout(PATIENCE):
            return (await self.done.get()).id

    async def next_dead(self) -> tuple[str, str]:
        """Id and reason."""
        async with asyncio.timeout(PATIENCE):
            item, reason = await self.dead.get()
            return item.id, reason

    async def row(self, item_id: str) -> Row:
        row = await self.database.fetch_one("SELECT * FROM inbox WHERE id = $1", item_id)
        assert row is not None, f"{item_id} is not in the inbox"
        return row

    async def states(self) -> dict[str, str]:
        return {row["id"]: row["state"] for row in await self.database.fetch("SELECT id, state FROM inbox")}

    async def effects(self) -> list[str]:
        return [row["user_id"] for row in await self.database.fetch(SELECT_EFFECTS)]
