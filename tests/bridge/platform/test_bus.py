"""A real NATS: events come in once and in order, whatever is lost or killed; what happened goes out at least once."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from prometheus_client import REGISTRY
from pydantic import SecretStr

from bridge.config.bus import Bus as Settings
from bridge.core.ids import TenantId
from bridge.core.start import CannotStart
from bridge.delivery.inbox import Accepted
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.platform.bus import incoming
from bridge.platform.bus.checkup import check_bus
from bridge.platform.bus.credentials import Credentials
from bridge.platform.bus.incoming import DURABLE, EventsFromBus
from bridge.platform.bus.outgoing import FeedToBus
from bridge.platform.bus.service import Bus, stream_of
from bridge.platform.bus.store import PublishedStore
from bridge.platform.ports import Incoming
from bridge.platform.reception import Reception
from bridge.storage.database import Database, DatabaseUnavailable
from tests.bridge.conversations.features import TENANT, person
from tests.bridge.platform.platform import Platform
from tests.bridge.platform.sender import encode, message_send, vendor_selected
from tests.databases import both_databases, one_database
from tests.servers.nats import NatsServer
from tests.servers.nats_accounts import with_credentials

pytestmark = one_database
PATIENCE = 20.0
DAY = 24 * 60 * 60 * 1000
numbers = count()


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with NatsServer() as running:
        yield running


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


class Rig:
    """The bridge's side of the bus, and the platform's, on subjects of their own."""

    def __init__(
        self, database: Database, server: NatsServer, client: Client, *, credentials_file: str | None = None
    ) -> None:
        self.database = database
        self.platform = Platform(database)
        self.bus: JetStreamContext = client.jetstream()
        name = f"test{next(numbers)}"
        self.settings = Settings(
            servers=(SecretStr(server.url),),
            credentials_file=credentials_file,
            events_subject=f"{name}.events",
            feed_subject=f"{name}.feed",
        )
        self.reception = Reception(self.platform.intake, max_text_length=1_000)
        self.events = EventsFromBus(
            self.reception, self.platform.intake, tenants=[TENANT], subject=self.settings.events_subject
        )
        self.feed = Feed(database, FeedStore(), self.platform.features.clock, kept=DAY)
        self.platform.features.outbox.witness(self.feed.record)
        self.out = FeedToBus(
            database, self.feed, FeedStore(), PublishedStore(), subject=self.settings.feed_subject
        )
        self.ours = Bus(self.settings, self.events, self.out)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncio.Task[None]]:
        running = asyncio.create_task(self.ours.run())
        try:
            async with asyncio.timeout(PATIENCE):
                while self.ours.trouble() is not None or not await self._has_consumer():
                    assert not running.done()
                    await asyncio.sleep(0.01)
            yield running
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def _has_consumer(self) -> bool:
        try:
            await self.bus.consumer_info(stream_of(self.settings.events_subject), DURABLE)
        except nats.js.errors.NotFoundError:
            return False
        return True

    async def tell(self, *events: dict[str, Any], tenant: str = TENANT) -> None:
        for event in events:
            await self.tell_raw(encode(event), tenant=tenant)

    async def tell_raw(self, body: bytes, *, tenant: str = TENANT) -> None:
        await self.bus.publish(f"{self.settings.events_subject}.{tenant}", body)

    async def taken(self) -> None:
        """Everything that the bus holds is acknowledged."""
        stream = stream_of(self.settings.events_subject)

        async def holds() -> bool:
            try:
                known = await self.bus.consumer_info(stream, DURABLE)
            except nats.js.errors.NotFoundError:
                return False
            last = (await self.bus.stream_info(stream)).state.last_seq
            return known.ack_floor is not None and known.ack_floor.stream_seq == last

        await until(holds)

    async def published(self) -> list[dict[str, Any]]:
        """What the platform reads on the bus."""
        stream = stream_of(self.settings.feed_subject)
        state = (await self.bus.stream_info(stream)).state
        found = [await self.bus.get_msg(stream, seq) for seq in range(1, state.last_seq + 1)]
        return [json.loads(one.data or b"") | {"on": one.subject} for one in found]

    async def entries(self) -> list[str]:
        await self.feed.order()
        return [one.event_id for one in await FeedStore().after(self.database, 0, limit=1_000)]


@pytest.fixture
async def rig(database: Database, server: NatsServer) -> AsyncIterator[Rig]:
    client = await nats.connect(server.url)
    yield Rig(database, server, client)
    await client.close()


def story(length: int = 12) -> list[dict[str, Any]]:
    said = [message_send(f"{number}") | {"id": f"said-{number}"} for number in range(length)]
    return [vendor_selected() | {"id": "selected"}, *said]


TOLD = [f"{number}" for number in range(12)]


@both_databases
async def test_a_duplicate_by_both_ways_at_once_has_one_effect(rig: Rig) -> None:
    async with rig.connected():
        turned = [encode(dict(reversed(event.items()))) for event in story()]
        # By itself: what is accepted at once has no order, and nobody speaks in a conversation before it is opened.
        await rig.reception.take(TENANT, turned[:1])
        await asyncio.gather(
            rig.tell(*story()),
            rig.tell(*story()),
            rig.reception.take(TENANT, turned),
            *(rig.reception.take(TENANT, [body]) for body in turned),
        )
        await rig.taken()
    await rig.platform.apply()
    assert sorted(await rig.platform.texts(), key=int) == TOLD
    assert await rig.platform.failures() == []


async def test_what_comes_by_the_bus_is_applied_in_its_order(rig: Rig) -> None:
    async with rig.connected():
        await rig.tell(*story())
        await rig.tell(*reversed(story()))  # late, and in another order: they came before
        await rig.taken()
    await rig.platform.apply()
    assert await rig.platform.texts() == TOLD
    assert await rig.platform.failures() == []


async def test_what_came_while_we_were_away_comes_first(rig: Rig) -> None:
    async with rig.connected():
        await rig.tell(*story()[:5])
        await rig.taken()
    await rig.tell(*story()[5:9])
    async with rig.connected():
        await rig.tell(*story()[9:])
        await rig.taken()
    await rig.platform.apply()
    assert await rig.platform.texts() == TOLD


async def test_a_kill_between_storing_and_acknowledging_changes_nothing_twice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[asyncio.Task[None]] = []
    accept = rig.platform.intake.accept

    async def stored_then_killed(tenant_id: TenantId, events: Sequence[Incoming]) -> list[Accepted]:
        accepted = await accept(tenant_id, events)
        running[-1].cancel()
        await asyncio.sleep(1)
        return accepted

    async with rig.connected() as task:
        running.append(task)
        with monkeypatch.context() as patch:
            patch.setattr(rig.platform.intake, "accept", stored_then_killed)
            await rig.tell(*story()[:4])
            await asyncio.wait([task], timeout=PATIENCE)
    known = await rig.bus.consumer_info(stream_of(rig.settings.events_subject), DURABLE)
    assert known.num_ack_pending, "it was not acknowledged"
    assert await rig.database.fetch_value("SELECT COUNT(*) FROM inbox"), "though it is on disk"
    await rig.tell(*story()[4:])
    async with rig.connected():
        await rig.taken()
    await rig.platform.apply()
    assert await rig.platform.texts() == TOLD


async def test_nothing_is_acknowledged_that_is_not_on_disk(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "PAUSE", 0.01)
    accept, away, tries = rig.platform.intake.accept, asyncio.Event(), count(1)

    async def while_away(tenant_id: TenantId, events: Sequence[Incoming]) -> list[Accepted]:
        if not away.is_set():
            next(tries)
            raise DatabaseUnavailable
        return await accept(tenant_id, events)

    monkeypatch.setattr(rig.platform.intake, "accept", while_away)
    async with rig.connected():
        await rig.tell(*story())
        await until(lambda: _is(lambda: next(tries) > 5))
        known = await rig.bus.consumer_info(stream_of(rig.settings.events_subject), DURABLE)
        assert known.ack_floor is not None
        assert (known.ack_floor.stream_seq, known.num_ack_pending) == (0, len(story()))
        away.set()
        await rig.taken()
    await rig.platform.apply()
    assert await rig.platform.texts() == TOLD


async def _is(holds: Callable[[], bool]) -> bool:
    return holds()


async def test_what_is_lost_on_its_way_is_asked_for_before_what_came_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    came, lost = rig.events.came, count()

    async def not_all(message: Msg) -> None:
        if next(lost) not in (3, 7):
            await came(message)

    monkeypatch.setattr(rig.events, "came", not_all)
    async with rig.connected():
        await rig.tell(*story())
        await rig.taken()
    assert next(lost) > len(story()) + 2
    await rig.platform.apply()
    assert await rig.platform.texts() == TOLD


async def test_what_is_no_event_is_kept_for_a_person_to_see(rig: Rig) -> None:
    async with rig.connected():
        await rig.tell(vendor_selected() | {"data": {"secret": "Kanarienvogel"}}, vendor_selected())
        await rig.tell_raw(b"\xff Kanarienvogel")
        await rig.tell(vendor_selected(), tenant="stranger")
        await rig.tell(message_send() | {"id": vendor_selected()["id"]})
        await rig.taken()
    rows = await rig.database.fetch(
        "SELECT tenant_id, topic, failure FROM inbox WHERE state = 'dead' ORDER BY seq"
    )
    reasons = [(row["tenant_id"], row["topic"], row["failure"].partition(":")[0]) for row in rows]
    assert reasons == [
        (TENANT, "platform.refused", "invalid_input"),
        (TENANT, "platform.refused", "malformed_json"),
        ("", "platform.refused", "its subject names no tenant of ours"),
        (TENANT, "platform.refused", "event_id_reused"),
    ]
    assert "Kanarienvogel" not in str([row["failure"] for row in rows])
    await rig.platform.apply()
    assert await rig.platform.conversation_titles() == ["Anna & Ben x Sweet Bites"]


async def test_a_bus_that_dies_is_taken_up_where_it_was(rig: Rig, server: NatsServer) -> None:
    async with rig.connected():
        await rig.tell(*story()[:6])
        await rig.taken()
        server.kill()
        await until(lambda: _is(lambda: rig.ours.trouble() is not None))
        assert REGISTRY.get_sample_value("festimo_bus_disconnected") == 1
        server.start()
        await until(lambda: _is(lambda: rig.ours.trouble() is None))
        assert REGISTRY.get_sample_value("festimo_bus_disconnected") == 0
        await rig.tell(*story()[6:])
        await rig.taken()
    await rig.platform.apply()
    assert await rig.platform.texts() == TOLD


async def test_how_long_the_streams_keep_what_the_operator_sets(rig: Rig) -> None:
    streams = {stream_of(one): one for one in (rig.settings.events_subject, rig.settings.feed_subject)}
    for name, subject in streams.items():
        await rig.bus.add_stream(name=name, subjects=[f"{subject}.>"], max_age=60)
    async with rig.connected():
        await rig.tell(*story(2))
        await rig.taken()
    assert [(await rig.bus.stream_info(name)).config.max_age for name in streams] == [60, 60]


async def test_a_bus_that_knows_its_users_by_credentials_lets_us_in(
    database: Database, tmp_path: Path
) -> None:
    configuration, credentials = with_credentials(tmp_path)
    with NatsServer("-c", str(configuration)) as server:
        shown = Credentials.read(str(credentials))
        client = await nats.connect(server.url, user_jwt_cb=shown.shown, signature_cb=shown.signed)
        rig = Rig(database, server, client, credentials_file=str(credentials))
        async with rig.connected():
            await rig.tell(*story(2))
            await rig.taken()
            assert "both streams" in await check_bus(rig.settings, None, now=0)
        with pytest.raises(CannotStart, match="does not let the bridge in"):
            await check_bus(rig.settings.model_copy(update={"credentials_file": None}), None, now=0)
        await client.close()
    await rig.platform.apply()
    assert await rig.platform.texts() == TOLD[:2]


async def test_nobody_waits_for_a_dead_bus_to_end(rig: Rig, server: NatsServer) -> None:
    async with rig.connected() as task:
        server.kill()
        await until(lambda: _is(lambda: rig.ours.trouble() is not None))
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        server.start()
        assert done


@both_databases
async def test_what_happened_is_on_the_bus_in_its_order(rig: Rig) -> None:
    async with rig.connected():
        await rig.tell(*story(2))
        await rig.taken()
        await rig.platform.apply()
        entries = await rig.entries()
        await until(lambda: _are(rig, entries))
    published = await rig.published()
    last = published[-1]
    assert last["on"] == f"{rig.settings.feed_subject}.festipin.{last['type']}"
    assert (last["type"], set(last["data"])) == ("message.sent", {"conversation_id", "message_id"})
    assert [one["sequence"] for one in published] == [f"{number + 1}" for number in range(len(published))]


async def _are(rig: Rig, entries: list[str]) -> bool:
    return [one["id"] for one in await rig.published()] == entries


async def test_what_was_published_and_not_remembered_is_there_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill after the bus has it and before the database knows."""
    async with rig.connected():
        await rig.tell(*story(2))
        await rig.taken()
    await rig.platform.apply()
    entries = await rig.entries()
    running: list[asyncio.Task[None]] = []

    async def killed(*_: object) -> None:
        running[-1].cancel()
        await asyncio.sleep(1)

    with monkeypatch.context() as patch:
        patch.setattr(PublishedStore, "put", killed)
        running.append(asyncio.create_task(rig.ours.run()))
        done, _ = await asyncio.wait(running, timeout=PATIENCE)
        assert done
    assert await _are(rig, entries)
    assert (await PublishedStore().get(rig.database, "bus")) is not None, "from where to begin was remembered"
    async with rig.connected():
        await until(lambda: _remembered(rig, entries[-1]))
    assert await _are(rig, entries)


async def _remembered(rig: Rig, event_id: str) -> bool:
    place = await PublishedStore().get(rig.database, "bus")
    return place is not None and place.event_id == event_id


async def test_the_bus_begins_with_what_happens_from_then_on(rig: Rig) -> None:
    async with rig.database.transaction() as tx:
        await rig.platform.features.conversations.open(tx, **opening())
    before = await rig.entries()
    async with rig.connected():
        await until(lambda: _remembered(rig, before[-1]))
        await rig.tell(message_send())
        await rig.taken()
        await rig.platform.apply()
        entries = await rig.entries()
        await until(lambda: _are(rig, entries[len(before) :]))


async def test_what_happens_while_the_bus_was_never_reached_yet_is_published_once_it_is(
    rig: Rig, server: NatsServer
) -> None:
    server.kill()
    running = asyncio.create_task(rig.ours.run())
    try:
        await until(lambda: _has_begun(rig))
        async with rig.database.transaction() as tx:
            await rig.platform.features.conversations.open(tx, **opening())
        entries = await rig.entries()
        assert entries
        server.start()
        await until(lambda: _is(lambda: rig.ours.trouble() is None))
        await until(lambda: _are(rig, entries))
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _has_begun(rig: Rig) -> bool:
    return await PublishedStore().get(rig.database, "bus") is not None


def opening() -> dict[str, Any]:
    return {
        "tenant_id": TENANT,
        "party_id": "p-1",
        "party_title": "Anna & Ben",
        "hosts": [person("u-anna", "Anna")],
        "vendor": person("v-1", "Sweet Bites"),
    }
