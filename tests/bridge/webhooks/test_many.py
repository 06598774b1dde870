"""An endpoint for which 100,000 deliveries wait."""

import asyncio
import tracemalloc
from collections.abc import Mapping

from bridge.storage.database import Database
from bridge.webhooks.courier import Answer
from bridge.webhooks.delivering import AT_ONCE
from tests.bridge.webhooks.post import Post, said
from tests.databases import one_database

MANY, LANES = 100_000, 1_000
FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < CAST($3 AS BIGINT))
INSERT INTO webhook_deliveries
    (endpoint_id, lane, event_id, event, number, about, occurred_at, since, not_before, state)
SELECT CAST($1 AS TEXT), 'c' || (n % 1000), 'e' || n, 'message.sent', n, '{}', CAST($2 AS BIGINT), CAST($2 AS BIGINT),
    CAST($2 AS BIGINT), CASE WHEN n < 1000 THEN 'next' ELSE 'behind' END FROM numbers
"""
ATTEMPTS = 300
MOST_MEMORY = 2_000_000
"""Bytes. All that waits would take fifty times as much."""


class Watched:
    """Takes everything, and knows how many were under way at once."""

    def __init__(self) -> None:
        self.took = self.under_way = self.most = 0
        self.enough = asyncio.Event()

    async def carry(self, url: str, *, body: str, headers: Mapping[str, str]) -> Answer:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        self.took += 1
        if self.took == ATTEMPTS:
            self.enough.set()
        return Answer(204)


@one_database
async def test_only_what_is_under_way_is_in_memory_and_what_comes_is_planned(database: Database) -> None:
    carrier = Watched()
    post = Post(database, carrier=carrier)
    endpoint = await post.make("https://hooks.festipin.example/")
    async with database.transaction() as tx:
        await tx.execute(FILL, endpoint.endpoint_id, post.clock.now(), MANY)
    await post.happens(said("m1", "c7"), said("m2", "new"))
    await post.plan()
    assert len(await post.deliverer.due(endpoint)) == AT_ONCE
    tracemalloc.start()
    running = asyncio.create_task(post.deliverer.run())
    try:
        async with asyncio.timeout(20):
            await carrier.enough.wait()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert carrier.most <= AT_ONCE
    assert peak < MOST_MEMORY
    waiting = await post.deliveries.counts(database)
    # Each lane still has one head, but for those that are through.
    assert waiting["waiting"] == LANES + 1 - (await done_lanes(post))
    newest = await post.deliveries.newest(
        database, endpoint.endpoint_id, states=["behind"], before=2**62, limit=1
    )
    assert newest[0].happened.about == {"message_id": "m1"}


async def done_lanes(post: Post) -> int:
    count = await post.database.fetch_value(
        "SELECT COUNT(*) FROM webhook_deliveries WHERE lane = 'new' AND state = 'done'"
    )
    return int(count)
