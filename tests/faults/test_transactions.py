"""What people write arrives once, whoever of homeserver, bridge and database fails meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest

from appservice.embedded.client import Client, ClientError
from bridge.core.ids import new_id
from bridge.storage.sqlite import SqliteDatabase
from tests.faults.lives import Lives
from tests.faults.story import Ground, eventually, ground, has_seen, joined, knows

PARTY = "party-1"
SEED = 20261121
HOMESERVER_KILLS = 3
BRIDGE_KILLS = 6


@pytest.fixture
async def where(tmp_path: Path) -> AsyncIterator[Ground]:
    async with ground(tmp_path) as ready:
        yield ready


async def open_room(where: Ground) -> str:
    """A conversation that host and vendor have joined."""
    host = {"id": "anna", "name": "Anna", "mxid": where.host.user_id}
    vendor = {"id": "chef", "name": "Chef", "mxid": where.vendor.user_id}
    party = {"id": PARTY, "title": "Party", "hosts": [host]}
    await where.send("vendor.selected", {"party": party, "vendor": vendor})

    async def invited() -> str | None:
        return next(iter(where.host.invites()), None)

    room = await eventually(invited, "the host is invited")
    for client in (where.host, where.vendor):
        await joined(client, room)
    for client in (where.host, where.vendor):
        await knows(client, room, {where.host.user_id, where.vendor.user_id, where.bot})
    return room


class Writer:
    """Writes one text after the other until told to stop. `sent`: those that the homeserver acknowledged."""

    def __init__(self, client: Client, room: str, name: str) -> None:
        self._client = client
        self._room = room
        self._name = name
        self._stop = False
        self.sent: dict[str, str] = {}

    async def write(self) -> None:
        number = 0
        while not self._stop:
            number += 1
            text = f"{self._name} {number}"
            try:
                self.sent[await self._client.send_text(self._room, text)] = text
            except (aiohttp.ClientError, TimeoutError, ClientError):  # whether it arrived, nobody knows
                await asyncio.sleep(0.1)

    async def more(self, count: int = 5) -> None:
        """Return once so many more are sent."""
        goal = len(self.sent) + count

        async def reached() -> bool | None:
            return True if len(self.sent) >= goal else None

        await eventually(reached, f"{self._name} goes on")

    def stop(self) -> None:
        self._stop = True


async def events_on_server(where: Ground, room: str) -> list[str]:
    return [e["event_id"] for e in await where.admin.events(room) if e["type"] == "m.room.encrypted"]


async def check(where: Ground, room: str, *writers: Writer, outside: tuple[str, ...] = ()) -> None:
    """The history has what the homeserver has, each once, and everybody reads it all."""
    texts = {event_id: text for writer in writers for event_id, text in writer.sent.items()}

    async def complete() -> bool | None:
        history = await where.history(PARTY, "chef")
        done = all(message.status == "sent" for message in history)
        return True if done and len(history) >= len(await events_on_server(where, room)) else None

    try:
        await eventually(complete, "the history is complete")
    except AssertionError:
        kept = {message.origin_id for message in await where.history(PARTY, "chef")}
        missing = set(await events_on_server(where, room)) - kept
        assert missing == set(), await where.left_over("parked")
        raise
    on_server = await events_on_server(where, room)
    assert set(on_server) >= texts.keys(), "the homeserver has lost what it acknowledged"
    history = {message.origin_id or "": message.text for message in await where.history(PARTY, "chef")}
    assert len(await where.history(PARTY, "chef")) == len(history) == len(on_server)
    for client in (where.host, where.vendor):
        await has_seen(client, room, set(on_server))
        assert not any(entry.undecryptable or entry.warning for entry in client.timeline(room))
        read = {entry.event_id: entry.body.removeprefix("Anna: ") for entry in client.timeline(room)}
        assert read == history
        assert read.items() >= texts.items()
    assert [text for text in history.values() if text in outside] == list(outside)
    assert await where.left_over("dead") == []


async def test_a_homeserver_that_begins_its_transaction_ids_again_loses_nothing(where: Ground) -> None:
    """Synapse on SQLite counts them from 1 at each start."""
    synapse = where.stand.synapse
    async with where.stand.bridge():
        room = await open_room(where)
        writers = [Writer(where.host, room, "host"), Writer(where.vendor, room, "vendor")]
        async with asyncio.TaskGroup() as tasks:
            for writer in writers:
                tasks.create_task(writer.write())
            for _ in range(HOMESERVER_KILLS):
                await asyncio.gather(*(writer.more() for writer in writers))
                await synapse.kill()
                await synapse.start()
            await asyncio.gather(*(writer.more() for writer in writers))
            for writer in writers:
                writer.stop()
        await check(where, room, *writers)


async def test_a_bridge_killed_while_the_homeserver_delivers_loses_nothing(where: Ground) -> None:
    delays = random.Random(SEED)
    async with Lives(where.stand.config_path).running() as lives:
        await lives.ready()
        room = await open_room(where)
        writers = [Writer(where.host, room, "host"), Writer(where.vendor, room, "vendor")]
        async with asyncio.TaskGroup() as tasks:
            for writer in writers:
                tasks.create_task(writer.write())
            for _ in range(BRIDGE_KILLS):
                life = await lives.ready()
                await asyncio.gather(*(writer.more() for writer in writers))
                await asyncio.sleep(delays.uniform(0, 0.05))
                await life.kill()
            for writer in writers:
                writer.stop()
        await lives.ready()
        await check(where, room, *writers)


async def test_a_database_that_takes_no_writes_is_told_to_both_sides_and_nothing_is_lost(
    where: Ground,
) -> None:
    async with where.stand.bridge() as bridge:
        room = await open_room(where)
        host = Writer(where.host, room, "host")
        database = bridge.database
        assert isinstance(database, SqliteDatabase)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(host.write())
            await host.more()
            database.writer.execute("PRAGMA query_only = ON")
            await host.more()
            assert await deliver(where) == HTTPStatus.SERVICE_UNAVAILABLE
            event = where.stand.platform.event("message.send", MESSAGE, event_id=new_id())
            status, answer = await where.stand.platform.post(event)
            assert (status, answer["status"]) == (HTTPStatus.SERVICE_UNAVAILABLE, 503)
            await host.more()
            database.writer.execute("PRAGMA query_only = OFF")
            status, answer = await where.stand.platform.post(event)
            assert (status, answer["duplicate"]) == (HTTPStatus.ACCEPTED, False)
            await host.more()
            host.stop()
        await check(where, room, host, outside=("from outside",))


MESSAGE = {"party_id": PARTY, "vendor_id": "chef", "sender_id": "anna", "text": "from outside"}


async def deliver(where: Ground) -> int:
    """A transaction as the homeserver delivers it."""
    ours = where.stand.config.appservice
    headers = {"Authorization": f"Bearer {ours.hs_token.get_secret_value()}"}
    event = {
        "event_id": "$probe",
        "room_id": "!probe",
        "sender": "@probe:festimo.localhost",
        "type": "m.room.topic",
        "state_key": "",
        "content": {},
    }
    url = f"{ours.url}/_matrix/app/v1/transactions/{new_id()}"
    async with where.stand.session.put(url, json={"events": [event]}, headers=headers) as response:
        return response.status
