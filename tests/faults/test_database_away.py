"""PostgreSQL killed, or frozen: nothing waits for ever, and once it is back everything goes on at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import pytest

from bridge.storage.database import Database, DatabaseUnavailable, open_database
from bridge.storage.postgres import WRITERS
from tests.bridge.commands.process import festimo, listens_at
from tests.faults.story import Ground, eventually, ground
from tests.faults.test_transactions import PARTY, open_room
from tests.servers.postgres import PostgresServer

LONGEST = 35.0
"""Seconds for any one thing that is asked of a database that does not answer."""
SOON = 6.0
"""Seconds; the homeserver by itself would wait for 16 after so many refusals."""
REFUSALS = 4
HELD = "SELECT user_id FROM tracked_users FOR UPDATE"
MARK = "INSERT INTO tracked_users (user_id) VALUES ($1)"


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


async def mark(database: Database, user: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(MARK, user)


async def failed_after(work: Awaitable[object]) -> float:
    """Seconds until it was told that the database does not answer."""
    started = monotonic()
    with pytest.raises(DatabaseUnavailable):
        await work
    return monotonic() - started


async def test_nothing_waits_for_ever_for_a_frozen_server(server: PostgresServer) -> None:
    database = await open_database(await asyncio.to_thread(server.create_database, "bridge"))
    await asyncio.gather(*(mark(database, f"@before{number}:x") for number in range(WRITERS)))
    with server.frozen():
        work = [mark(database, f"@meanwhile{number}:x") for number in range(3 * WRITERS)]
        reads = [database.fetch_value("SELECT 1") for _ in range(3)]
        took = await asyncio.gather(*map(failed_after, [*work, *reads]))
        assert max(took) < LONGEST
    await asyncio.gather(*(mark(database, f"@after{number}:x") for number in range(WRITERS)))
    rows = await database.fetch("SELECT user_id FROM tracked_users")
    assert {row["user_id"] for row in rows} == {
        f"@{when}{number}:x" for when in ("before", "after") for number in range(WRITERS)
    }
    with server.frozen():
        started = monotonic()
        await database.close()
        assert monotonic() - started < LONGEST


async def test_a_transaction_whose_process_is_frozen_does_not_hold_its_locks(server: PostgresServer) -> None:
    database = await open_database(await asyncio.to_thread(server.create_database, "bridge"))
    await mark(database, "@held:x")
    await failed_after(_freeze_inside(database))
    await database.close()


async def _freeze_inside(database: Database) -> None:
    """A transaction that says nothing more; whoever wants its row gets it."""
    async with database.transaction() as frozen:
        await frozen.fetch(HELD)
        async with asyncio.timeout(LONGEST):
            await asyncio.create_task(_fetch(database, HELD))


async def _fetch(database: Database, sql: str) -> None:
    async with database.transaction() as tx:
        await tx.fetch(sql)


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
