"""PostgreSQL killed, or frozen, under a bridge: once it is back everything goes on at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import pytest

from bridge.storage.database import DatabaseUnavailable
from tests.bridge.commands.process import festimo, listens_at
from tests.faults.story import Ground, eventually, ground
from tests.faults.test_transactions import PARTY, open_room
from tests.servers.postgres import PostgresServer

LONGEST = 35.0
"""Seconds for any one thing that is asked of a database that does not answer."""
SOON = 6.0
"""Seconds; the homeserver by itself would wait for 16 after so many refusals."""
REFUSALS = 4


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Of this test's own, as it is killed and frozen."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
async def where(tmp_path: Path, server: PostgresServer) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        url = await asyncio.to_thread(server.create_database, "bridge")
        yield await stack.enter_async_context(ground(tmp_path, database_url=url))


async def test_what_is_written_while_the_database_is_down_comes_as_soon_as_it_is_back(
    where: Ground, server: PostgresServer, tmp_path: Path
) -> None:
    config = where.stand.config
    async with festimo(tmp_path, "run", "-c", where.stand.config_path) as bridge:
        await bridge.until_ready(config)
        room = await open_room(where)
        await where.host.send_text(room, "before")
        await arrives(where, "before")
        await asyncio.to_thread(server.kill)
        await where.host.send_text(room, "meanwhile")

        async def refused_often() -> bool | None:
            refusals = [fact for fact in bridge.printed.logged if fact["event"] == "transaction_not_kept"]
            return True if len(refusals) >= REFUSALS else None

        await eventually(refused_often, "the homeserver's transactions are refused")
        answer = await bridge.until_ready(config, 503)
        assert answer["checks"]["database"] != "ok"
        await asyncio.to_thread(server.start)
        back = monotonic()
        await arrives(where, "meanwhile")
        assert monotonic() - back < SOON
        await bridge.until_ready(config)
        await where.host.send_text(room, "after")
        await arrives(where, "after")
        assert (await bridge.stop()).code == 0


async def test_a_bridge_on_a_frozen_database_lives_and_goes_on_once_that_does(
    where: Ground, server: PostgresServer, tmp_path: Path
) -> None:
    config = where.stand.config
    async with festimo(tmp_path, "run", "-c", where.stand.config_path) as bridge:
        await bridge.until_ready(config)
        room = await open_room(where)
        await where.host.send_text(room, "before")
        await arrives(where, "before")
        with server.frozen():
            await where.host.send_text(room, "meanwhile")
            async with (
                asyncio.timeout(1),
                where.stand.session.get(f"{listens_at(config)}/health/live") as answer,
            ):
                assert answer.status == 200
            refused = eventually(lambda: _not_kept(bridge.printed.err), "a transaction is refused")
            assert await asyncio.wait_for(refused, LONGEST)
            assert (await bridge.until_ready(config, 503))["checks"]["database"] != "ok"
        back = monotonic()
        await arrives(where, "meanwhile")
        assert monotonic() - back < SOON
        await bridge.until_ready(config)
        assert (await bridge.stop()).code == 0


async def _not_kept(log: str) -> bool | None:
    return True if "transaction_not_kept" in log else None


async def arrives(where: Ground, text: str) -> None:
    """Once, in the history."""

    async def there() -> bool | None:
        try:
            texts = [message.text for message in await where.history(PARTY, "chef")]
        except DatabaseUnavailable:  # a connection of ours that died with the server
            return None
        assert texts.count(text) <= 1
        return True if text in texts else None

    await eventually(there, f"{text} arrives")
