"""What is told of a bus that is away, keeps us out or is behind: by the doctor, the health check and the metrics."""

from collections.abc import Mapping
from pathlib import Path

import nats
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from appservice.embedded.synapse import free_port
from bridge.config.bus import Bus as Settings
from bridge.core.checkup import Suspicious
from bridge.core.start import CannotStart, Reason
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.platform.bus.behind import Behind, remark
from bridge.platform.bus.checkup import check_bus
from bridge.platform.bus.metrics import count_unpublished
from bridge.platform.bus.outgoing import BusTrouble, FeedToBus
from bridge.platform.bus.store import PublishedStore
from bridge.storage.closed import ClosedDatabase
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features
from tests.databases import both_databases, one_database
from tests.servers.nats import NatsServer

pytestmark = one_database
MINUTE = 60 * 1000
PASSWORD = "Kanarienvogel"
NOTHING = Behind(0, None)


def settings(url: str, credentials_file: str | None = None) -> Settings:
    return Settings(servers=(SecretStr(url),), credentials_file=credentials_file)


async def test_a_bus_that_is_there_is_well_and_looking_makes_nothing() -> None:
    with NatsServer() as server:
        told = await check_bus(settings(server.url), NOTHING, now=0)
        assert told == (
            "reached, with JetStream; FESTIMO_EVENTS and FESTIMO_FEED will be made by the bridge; nothing waits for it"
        )
        client = await nats.connect(server.url)
        stream = client.jetstream()
        assert await stream.streams_info() == []
        await stream.add_stream(name="FESTIMO_EVENTS", subjects=["festimo.events.>"])
        await stream.add_stream(name="FESTIMO_FEED", subjects=["festimo.feed.>"])
        await client.close()
        told = await check_bus(settings(server.url), None, now=0)
        assert told == "reached, with JetStream and both streams"
        late = Behind(3, since=0)
        told = await check_bus(settings(server.url), late, now=5 * MINUTE)
        assert told.endswith("; entries of the feed that wait for it: 3 (oldest 5 min)")
        with pytest.raises(Suspicious) as doubt:
            await check_bus(settings(server.url), late, now=5 * MINUTE + 1)
    assert doubt.value.what == told
    assert "feed_not_published" in doubt.value.fix


async def unusable(where: Settings) -> CannotStart:
    with pytest.raises(CannotStart) as failure:
        await check_bus(where, Behind(2, since=0), now=1000)
    told = failure.value
    assert told.reason == Reason.BUS_UNREACHABLE
    assert PASSWORD not in str(told)
    assert told.what.endswith("; entries of the feed that wait for it: 2 (oldest 1 s).")
    return told


async def test_a_bus_that_is_away_is_told() -> None:
    told = await unusable(settings(f"nats://festimo:{PASSWORD}@127.0.0.1:{free_port()}"))
    assert told.what.startswith("No server of `bus.servers` answers (ConnectionRefusedError)")


async def test_a_bus_without_jetstream_is_told() -> None:
    with NatsServer(jetstream=False) as server:
        told = await unusable(settings(server.url))
    assert told.what.startswith("NATS is there, but without JetStream")
    assert "nats-server -js" in told.fix


async def test_a_bus_that_keeps_us_out_is_told(tmp_path: Path) -> None:
    with NatsServer("--user", "festimo", "--pass", "right") as server:
        address = server.url.removeprefix("nats://")
        for who in ("", f"festimo:{PASSWORD}@"):
            told = await unusable(settings(f"nats://{who}{address}"))
            assert told.what.startswith("NATS does not let the bridge in")
        told = await unusable(settings(server.url, str(tmp_path / "none.creds")))
        assert told.what.startswith("`bus.credentials_file` cannot be read: No such file")
        (tmp_path / "config.yaml").write_text("-----BEGIN NATS USER JWT-----")
        told = await unusable(settings(server.url, str(tmp_path / "config.yaml")))
        assert told.what.startswith("`bus.credentials_file` holds no credentials of a user")
        assert "nothing" in await check_bus(settings(f"nats://festimo:right@{address}"), NOTHING, now=0)


@both_databases
async def test_what_the_bus_has_not_taken_is_counted_and_since_when(database: Database) -> None:
    features = Features(database)
    clock = features.clock
    feed = Feed(database, FeedStore(), clock, kept=MINUTE)
    features.outbox.witness(feed.record)
    out = FeedToBus(database, feed, FeedStore(), PublishedStore(), subject="festimo.feed")
    taken: list[str] = []

    async def publish(subject: str, _body: bytes, _headers: Mapping[str, str]) -> None:
        if len(taken) == 1:
            raise BusTrouble
        taken.append(subject)

    conversation = await features.open()
    await feed.order()
    assert await Behind.of(database) == NOTHING, "it was never used"
    await out.step(publish)
    assert await Behind.of(database) == NOTHING, "it begins with what happens from now on"
    clock.advance(MINUTE)
    first = clock.now()
    await features.post(conversation, text="One")
    clock.advance(MINUTE)
    second = clock.now()
    await features.post(conversation, text="Two")
    assert await Behind.of(database) == Behind(2, first), "not in order yet"
    await feed.order()
    assert await Behind.of(database) == Behind(2, first)
    with pytest.raises(BusTrouble):
        await out.step(publish)
    assert await Behind.of(database) == Behind(1, second)

    await count_unpublished(database, now=second + MINUTE)
    assert REGISTRY.get_sample_value("festimo_bus_unpublished") == 1
    assert REGISTRY.get_sample_value("festimo_bus_unpublished_seconds") == 60
    at, late = second + 5 * MINUTE, second + 5 * MINUTE + 1
    waits = "entries of the feed that wait for it: 1 (oldest 5 min)"
    assert await remark(database, trouble=None, now=at) is None
    assert await remark(database, trouble=None, now=late) == waits
    assert await remark(database, trouble="it is away", now=late) == f"it is away; {waits}"
    assert await remark(ClosedDatabase(), trouble="it is away", now=late) == "it is away"
