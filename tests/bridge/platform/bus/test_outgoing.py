"""A real NATS: what happened goes out at least once, in its order."""

import asyncio

import pytest

from bridge.platform.bus.store import PublishedStore
from tests.bridge.platform.bus.rig import PATIENCE, Rig, is_so, opening, story, until
from tests.bridge.platform.sender import message_send
from tests.databases import both_databases, one_database
from tests.servers.nats import NatsServer

pytestmark = one_database


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
        await until(lambda: is_so(lambda: rig.ours.trouble() is None))
        await until(lambda: _are(rig, entries))
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _has_begun(rig: Rig) -> bool:
    return await PublishedStore().get(rig.database, "bus") is not None
