"""A real NATS: events come in once and in order, whatever is lost or killed."""

import asyncio
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg
from prometheus_client import REGISTRY

from bridge.core.ids import TenantId
from bridge.core.start import CannotStart
from bridge.delivery.inbox import Accepted
from bridge.platform.bus import incoming
from bridge.platform.bus.checkup import check_bus
from bridge.platform.bus.credentials import Credentials
from bridge.platform.bus.incoming import DURABLE
from bridge.platform.bus.service import stream_of
from bridge.platform.ports import Incoming
from bridge.storage.database import Database, DatabaseUnavailable
from tests.bridge.conversations.features import TENANT
from tests.bridge.platform.bus.rig import PATIENCE, TOLD, Rig, is_so, story, until
from tests.bridge.platform.sender import encode, message_send, vendor_selected
from tests.databases import both_databases, one_database
from tests.servers.nats import NatsServer
from tests.servers.nats_accounts import with_credentials

pytestmark = one_database


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
        await until(lambda: is_so(lambda: next(tries) > 5))
        known = await rig.bus.consumer_info(stream_of(rig.settings.events_subject), DURABLE)
        assert known.ack_floor is not None
        assert (known.ack_floor.stream_seq, known.num_ack_pending) == (0, len(story()))
        away.set()
        await rig.taken()
    await rig.platform.apply()
    assert await rig.platform.texts() == TOLD


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
        await until(lambda: is_so(lambda: rig.ours.trouble() is not None))
        assert REGISTRY.get_sample_value("festimo_bus_disconnected") == 1
        server.start()
        await until(lambda: is_so(lambda: rig.ours.trouble() is None))
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
        await until(lambda: is_so(lambda: rig.ours.trouble() is not None))
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        server.start()
        assert done
