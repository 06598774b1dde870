"""PostgreSQL frozen: nobody waits for ever, neither for the server nor for a process that stands still."""

import asyncio
from collections.abc import Awaitable, Iterator
from time import monotonic

import pytest

from bridge.storage import postgres
from bridge.storage.database import Database, DatabaseUnavailable, open_database
from bridge.storage.postgres import WRITERS
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.slow

LONGEST = 35.0
"""Seconds for any one thing that is asked of a database that does not answer."""
SHARE = 5
"""Of our patience a test needs but a fifth: which limits there are shows then, too."""
HELD = "SELECT user_id FROM tracked_users FOR UPDATE"
MARK = "INSERT INTO tracked_users (user_id) VALUES ($1)"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Of this test's own, as it is frozen."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("CONNECT_SECONDS", "COMMAND_SECONDS", "TURN_SECONDS", "CLOSE_SECONDS"):
        monkeypatch.setattr(postgres, limit, getattr(postgres, limit) / SHARE)


async def mark(database: Database, user: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(MARK, user)


async def failed_after(work: Awaitable[object]) -> float:
    """Seconds until it was told that the database does not answer."""
    started = monotonic()
    with pytest.raises(DatabaseUnavailable):
        await work
    return monotonic() - started


@pytest.mark.usefixtures("impatient")
async def test_nothing_waits_for_ever_for_a_frozen_server(server: PostgresServer) -> None:
    database = await open_database(await asyncio.to_thread(server.create_database, "bridge"))
    await asyncio.gather(*(mark(database, f"@before{number}:x") for number in range(WRITERS)))
    with server.frozen():
        work = [mark(database, f"@meanwhile{number}:x") for number in range(3 * WRITERS)]
        reads = [database.fetch_value("SELECT 1") for _ in range(3)]
        took = await asyncio.gather(*map(failed_after, [*work, *reads]))
        assert max(took) < LONGEST / SHARE
    await asyncio.gather(*(mark(database, f"@after{number}:x") for number in range(WRITERS)))
    rows = await database.fetch("SELECT user_id FROM tracked_users")
    assert {row["user_id"] for row in rows} == {
        f"@{when}{number}:x" for when in ("before", "after") for number in range(WRITERS)
    }
    with server.frozen():
        started = monotonic()
        await database.close()
        assert monotonic() - started < LONGEST / SHARE


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
