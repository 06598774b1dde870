"""Makes dead letters, as the dispatcher and the homeserver's side do."""

import hashlib

from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted
from bridge.delivery.queue import Item
from tests.bridge.api.world import World

REASON = "the homeserver refused: M_FORBIDDEN"


async def head(world: World, lane: str) -> Item:
    item = await world.outbox.head(lane)
    assert item is not None
    return item


async def finished(world: World, lane: str, *, but: int = 0) -> None:
    """Works off the lane, but for its last items."""
    while len(await waiting(world, lane)) > but:
        item = await head(world, lane)
        async with world.database.transaction() as tx:
            await world.outbox.finish(tx, item)


async def waiting(world: World, lane: str) -> list[str]:
    rows = await world.database.fetch(
        "SELECT id FROM outbox WHERE lane = $1 AND state = 'waiting' ORDER BY seq", lane
    )
    return [row["id"] for row in rows]


async def buried(world: World, lane: str, *, reason: str = REASON) -> Item:
    """The head of the lane, as `Dispatcher` gives it up, with what this means for a message."""
    item = await head(world, lane)
    async with world.database.transaction() as tx:
        if item.topic == "matrix.MessagePosted":
            rows = await tx.fetch("SELECT message_id FROM messages ORDER BY position DESC LIMIT 1")
            await world.messages.failed(tx, rows[0]["message_id"], reason=reason)
        await world.outbox.bury(tx, item, failure=reason)
    return item


async def unparsable(world: World, body: bytes, *, tenant_id: str = "") -> str:
    """The id of the inbox item."""
    item_id = f"matrix-unparsable:{hashlib.sha256(body).hexdigest()}"
    async with world.database.transaction() as tx:
        accepted = await world.inbox.add_dead(
            tx,
            item_id=item_id,
            tenant_id=TenantId(tenant_id),
            lane="matrix-unparsable",
            topic="matrix.event",
            body=body,
            failure="not an event as the specification describes it",
        )
    assert accepted is Accepted.NEW
    return item_id
