"""The feed: every event once, in an order in which nothing appears behind a reader."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.conversations.events import ConversationOpened
from bridge.core.clock import FrozenClock
from bridge.core.events import Event
from bridge.core.ids import ConversationId, MessageId, TenantId
from bridge.delivery.outbox import Outbox
from bridge.feed.kinds import KINDS
from bridge.feed.model import BEGINNING, Entry, Place
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.messages.events import MessageDelivered, MessageEdited, MessageFailed, MessagePosted
from bridge.recap.events import RecapHeld
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from tests.bridge.conversations.features import Features

TENANT = TenantId("festipin")
KEPT = 1_000
LIMIT = 10_000


class Reel:
    """A feed on a database, and what a reader finds in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FrozenClock()
        self.store = FeedStore()
        self.feed = Feed(database, self.store, self.clock, kept=KEPT)
        self.outbox = Outbox(database, Sealer(b"m" * 32, self.clock), self.clock)
        self.outbox.witness(self.feed.record)

    async def record(self, *events: Event) -> None:
        async with self.database.transaction() as tx:
            for event in events:
                await self.outbox.record(tx, event)

    async def read(self, after: int = 0) -> list[Entry]:
        return await self.store.after(self.database, after, limit=LIMIT)


@pytest.fixture
def reel(database: Database) -> Reel:
    return Reel(database)


def posted(message: str, conversation: str = "c1", tenant: TenantId = TENANT) -> MessagePosted:
    return MessagePosted(
        tenant_id=tenant, conversation_id=ConversationId(conversation), message_id=MessageId(message)
    )


def said(entries: Sequence[Entry]) -> list[str]:
    return [entry.about["message_id"] for entry in entries]


async def test_what_happened_is_there_once_it_is_in_order(reel: Reel) -> None:
    await reel.record(posted("m1"), posted("m2", "c2"), posted("m3"))
    assert await reel.read() == []
    assert await reel.feed.order() == 3
    assert await reel.feed.order() == 0
    entries = await reel.read()
    assert said(entries) == ["m1", "m2", "m3"]
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert [(entry.conversation_id, entry.number) for entry in entries] == [("c1", 1), ("c2", 1), ("c1", 2)]
    assert {entry.kind for entry in entries} == {"message.sent"}
    assert len({entry.event_id for entry in entries}) == 3
    assert said(await reel.read(after=2)) == ["m3"]


async def test_it_is_read_by_tenant_and_by_conversation(reel: Reel) -> None:
    await reel.record(posted("m1"), posted("m2", "c2", TenantId("other")), posted("m3", "c3"))
    await reel.feed.order()
    ours = await reel.store.of_tenant(reel.database, TENANT, after=0, limit=LIMIT)
    assert said(ours) == ["m1", "m3"]
    assert said(await reel.store.of_tenant(reel.database, TENANT, after=1, limit=1)) == ["m3"]
    of_third = await reel.store.of_conversation(reel.database, ConversationId("c3"), after=0, limit=LIMIT)
    assert said(of_third) == ["m3"]


async def test_what_was_rolled_back_did_not_happen(reel: Reel) -> None:
    async def half() -> None:
        async with reel.database.transaction() as tx:
            await reel.outbox.record(tx, posted("m1"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await half()
    assert await reel.feed.order() == 0


async def test_an_event_that_concerns_nobody_outside_has_no_entry(reel: Reel) -> None:
    await reel.record(RecapHeld(tenant_id=TENANT, conversation_id=ConversationId("c1"), recap_id="r1"))
    assert await reel.feed.order() == 0


async def test_who_commits_late_comes_later(database_url: str, reel: Reel) -> None:
    """PostgreSQL gives the earlier transaction the lower row, which a reader would have passed already."""
    if not database_url.startswith("postgres"):
        pytest.skip("2026-11-21: SQLite has one writer at a time")
    recorded, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with reel.database.transaction() as tx:
            await reel.outbox.record(tx, posted("slow"))
            recorded.set()
            await go_on.wait()

    task = asyncio.create_task(slow())
    await recorded.wait()
    await reel.record(posted("fast"))
    await reel.feed.order()
    assert said(await reel.read()) == ["fast"]
    go_on.set()
    await task
    await reel.feed.order()
    assert said(await reel.read(after=1)) == ["slow"]


async def test_two_that_put_in_order_take_turns(reel: Reel) -> None:
    other = Feed(reel.database, reel.store, reel.clock, kept=KEPT)
    for number in range(20):
        await reel.record(posted(f"m{number}", f"c{number % 3}"))
        await asyncio.gather(reel.feed.order(), other.order())
    entries = await reel.read()
    assert said(entries) == [f"m{number}" for number in range(20)]
    assert [entry.seq for entry in entries] == list(range(1, 21))


@given(writes=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=6), late=st.booleans())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_a_reader_with_a_cursor_misses_nothing(reel: Reel, writes: list[list[int]], late: bool) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 12: all readers of the feed converge on one order,
    whenever they read while others write."""
    seen: list[Entry] = []
    start = (await reel.store.newest(reel.database)).seq
    names: list[str] = []

    async def write(conversation: int) -> None:
        name = f"m{start}.{len(names)}"
        names.append(name)
        await reel.record(posted(name, f"c{conversation}"))

    for together in writes:
        await asyncio.gather(*(write(one) for one in together), *([] if late else [reel.feed.order()]))
        seen += await reel.read(after=seen[-1].seq if seen else start)
    await reel.feed.order()
    seen += await reel.read(after=seen[-1].seq if seen else start)
    assert sorted(said(seen)) == sorted(names)
    assert seen == await reel.read(after=start)
    for conversation in {entry.conversation_id for entry in seen}:
        numbers = [entry.number for entry in seen if entry.conversation_id == conversation]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_it_forgets_from_the_beginning_on_and_keeps_the_newest(reel: Reel) -> None:
    await reel.record(posted("m1"), posted("m2"))
    await reel.feed.order()
    reel.clock.advance(KEPT + 1)
    await reel.record(posted("m3"))
    await reel.feed.order()
    first, second, third = [entry.place for entry in await reel.read()]
    assert await reel.store.is_kept(reel.database, BEGINNING)
    assert await reel.feed.forget() == 2
    assert said(await reel.read()) == ["m3"]
    assert not await reel.store.is_kept(reel.database, BEGINNING)
    assert not await reel.store.is_kept(reel.database, first)
    assert not await reel.store.is_kept(reel.database, second)
    assert await reel.store.is_kept(reel.database, third)
    reel.clock.advance(KEPT + 1)
    assert await reel.feed.forget() == 0
    await reel.record(posted("m4"))
    await reel.feed.order()
    (_, last) = await reel.read()
    assert (last.seq, last.number) == (4, 4)


async def test_what_is_not_old_enough_stays(reel: Reel) -> None:
    await reel.record(posted("m1"), posted("m2"))
    await reel.feed.order()
    reel.clock.advance(KEPT)
    assert await reel.feed.forget() == 0


async def test_a_place_of_a_database_that_was_restored_is_not_kept(reel: Reel) -> None:
    await reel.record(posted("m1"))
    await reel.feed.order()
    (entry,) = await reel.read()
    assert await reel.store.is_kept(reel.database, entry.place)
    assert not await reel.store.is_kept(reel.database, Place(entry.seq, "of another history"))
    assert not await reel.store.is_kept(reel.database, Place(entry.seq + 1, entry.event_id))


async def test_it_runs_by_itself(reel: Reel) -> None:
    told = asyncio.Event()
    reel.feed.on_order(told.set)
    running = asyncio.create_task(reel.feed.run())
    await asyncio.sleep(0)
    await reel.record(posted("m1"))
    async with asyncio.timeout(10):
        await told.wait()
    running.cancel()
    assert said(await reel.read()) == ["m1"]


async def test_what_becomes_of_a_message_is_told_without_what_it_says(database: Database) -> None:
    features = Features(database)
    store = FeedStore()
    feed = Feed(database, store, features.clock, kept=KEPT)
    features.outbox.witness(feed.record)
    conversation = await features.open()
    sent = await features.post(conversation, text="canary one")
    failed = await features.post(conversation, text="canary two")
    async with database.transaction() as tx:
        await features.messages.sent(tx, sent, origin_id="$1")
        await features.messages.failed(tx, failed, reason="gone")
        await features.messages.sent(tx, MessageId("unknown"), origin_id="$2")
    await feed.order()
    told = [(entry.kind, entry.about.get("message_id")) for entry in await store.after(database, 0, limit=99)]
    assert [one for one in told if one[0].startswith("message")] == [
        ("message.sent", sent),
        ("message.sent", failed),
        ("message.delivered", sent),
        ("message.updated", failed),
    ]
    rows = await database.fetch("SELECT * FROM feed")
    assert rows
    assert "canary" not in str([tuple(row) for row in rows])  # type: ignore[arg-type]


@pytest.mark.parametrize("event", [MessageDelivered, MessageFailed, MessageEdited, ConversationOpened])
def test_each_of_these_has_an_entry(event: type[Event]) -> None:
    assert event in KINDS
