"""What must go out is one commit with the fact it tells, once per consumer, and the same at each attempt."""

import json
from contextlib import suppress
from dataclasses import dataclass

import pytest

from bridge.core.clock import FrozenClock
from bridge.core.events import Event
from bridge.core.ids import ConversationId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Settled
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from tests.bridge.delivery.desk import MASTER_KEY, TENANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened(Event):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodyCares(Event):
    pass


def happened(conversation: str = "c1", text: str = "x") -> Happened:
    return Happened(tenant_id=TENANT, conversation_id=ConversationId(conversation), text=text)


@pytest.fixture
def outbox(database: Database) -> Outbox:
    clock = FrozenClock()
    outbox = Outbox(database, Sealer(MASTER_KEY, clock), clock)
    outbox.subscribe("matrix", Happened)
    outbox.subscribe("webhooks", Happened)
    return outbox


async def test_each_consumer_has_a_lane_per_conversation(database: Database, outbox: Outbox) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, happened("c1"))
        await outbox.record(tx, happened("c2"))
    lanes = ["matrix:c1", "matrix:c2", "webhooks:c1", "webhooks:c2"]
    assert sorted(await outbox.lanes()) == lanes
    heads = [await outbox.head(lane) for lane in lanes]
    assert [head.topic for head in heads if head] == ["matrix.Happened"] * 2 + ["webhooks.Happened"] * 2


async def test_what_nobody_subscribed_to_is_not_kept(database: Database, outbox: Outbox) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, NobodyCares(tenant_id=TENANT, conversation_id=ConversationId("c1")))
    assert await outbox.lanes() == []


async def test_a_fact_that_is_rolled_back_is_not_told(database: Database, outbox: Outbox) -> None:
    woken: list[str] = []
    outbox.on_work(woken.append)
    with suppress(LookupError):
        async with database.transaction() as tx:
            await outbox.record(tx, happened())
            raise LookupError
    assert (await outbox.lanes(), woken) == ([], [])


async def test_what_was_prepared_is_there_at_the_next_attempt(database: Database, outbox: Outbox) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, happened())
    item = await outbox.head("matrix:c1")
    assert item is not None
    assert (item.prepared, item.prepared_at) == (None, None)
    async with database.transaction() as tx:
        await outbox.prepare(tx, item, b"ciphertext")
    await outbox.retry(item, delay=0, failure="away")
    again = await outbox.head("matrix:c1")
    assert again is not None
    assert (again.prepared, again.prepared_at, again.attempts) == (b"ciphertext", item.created_at, 1)
    assert again.body == item.body


async def test_what_is_sent_is_fixed_once(database: Database, outbox: Outbox) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, happened())
    item = await outbox.head("matrix:c1")
    assert item is not None
    async with database.transaction() as tx:
        await outbox.prepare(tx, item, b"first")
    with pytest.raises(Settled):
        async with database.transaction() as tx:
            await outbox.prepare(tx, item, b"second")
    again = await outbox.head("matrix:c1")
    assert again is not None
    assert again.prepared == b"first"


@pytest.mark.parametrize("dead", [False, True])
async def test_nothing_is_fixed_for_what_is_settled(database: Database, outbox: Outbox, dead: bool) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, happened())
    item = await outbox.head("matrix:c1")
    assert item is not None
    async with database.transaction() as tx:
        await (outbox.bury(tx, item, failure="no") if dead else outbox.finish(tx, item))
    with pytest.raises(Settled):
        async with database.transaction() as tx:
            await outbox.prepare(tx, item, b"late")
    assert await database.fetch_value("SELECT prepared FROM outbox WHERE id = $1", item.id) is None


async def test_a_body_is_sealed_and_gone_once_delivered(database: Database, outbox: Outbox) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, happened(text="canary"))
    item = await outbox.head("matrix:c1")
    assert item is not None
    assert b"canary" in item.body
    assert b"canary" not in await database.fetch_value("SELECT body FROM outbox WHERE id = $1", item.id)
    async with database.transaction() as tx:
        await outbox.finish(tx, item)
    assert await database.fetch_value("SELECT body FROM outbox WHERE id = $1", item.id) is None
    assert await outbox.head("matrix:c1") is None


async def test_what_comes_first_leaves_the_order_of_what_waits_as_it_was(
    database: Database, outbox: Outbox
) -> None:
    async with database.transaction() as tx:
        for text in ("a", "b"):
            await outbox.record(tx, happened(text=text))
        await outbox.record(tx, happened("c2", text="elsewhere"))
    before = await outbox.head("matrix:c1")
    assert before is not None
    async with database.transaction() as tx:
        await outbox.prepare(tx, before, b"ciphertext")

    async def record() -> None:
        await outbox.record(tx, happened(text="first"))

    async with database.transaction() as tx:
        await outbox.first(tx, "matrix", ConversationId("c1"), record)
        await outbox.record(tx, happened(text="last"))
    told, items = [], []
    while item := await outbox.head("matrix:c1"):
        told.append(json.loads(item.body)["text"])
        items.append(item)
        async with database.transaction() as tx:
            await outbox.finish(tx, item)
    assert told == ["first", "a", "b", "last"]
    assert (items[1].id, items[1].prepared) == (before.id, b"ciphertext")
    others = await database.fetch("SELECT lane FROM outbox WHERE state = 'waiting' ORDER BY seq")
    assert [row["lane"] for row in others] == ["webhooks:c1"] * 2 + ["matrix:c2", "webhooks:c2"] + [
        "webhooks:c1"
    ] * 2


async def test_an_attempt_that_fails_after_something_came_first_counts_for_nothing(
    database: Database, outbox: Outbox
) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, happened(text="a"))
    attempted = await outbox.head("matrix:c1")
    assert attempted is not None

    async def record() -> None:
        await outbox.record(tx, happened(text="first"))

    async with database.transaction() as tx:
        await outbox.first(tx, "matrix", ConversationId("c1"), record)
    with pytest.raises(Settled):
        async with database.transaction() as tx:
            await outbox.bury(tx, attempted, failure="refused")
    await outbox.retry(attempted, delay=60_000, failure="refused")
    rows = await database.fetch("SELECT state, attempts FROM outbox WHERE lane = 'matrix:c1'")
    assert [(row["state"], row["attempts"]) for row in rows] == [("waiting", 0)] * 2
    async with database.transaction() as tx:
        await outbox.finish(tx, attempted)  # where it has succeeded, it has
