"""One process at a time leads; one that was overtaken commits nothing, and is told."""

import asyncio
import os
from pathlib import Path

import pytest

from bridge.core.clock import FrozenClock
from bridge.storage.database import Database
from bridge.storage.leader import Leader, Overtaken, lock_of
from tests.servers.postgres import PostgresServer

LIMIT = 10.0
END_LOCK_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'festimo-bridge leader' AND datname = '{name}'
"""
MARK = "INSERT INTO tracked_users (user_id) VALUES ($1)"


class Anybody:
    """A lock that everybody gets: as when the system gave it to another while its holder was frozen."""

    async def acquire(self) -> bool:
        return True

    async def is_held(self) -> bool:
        return True

    async def release(self) -> None:
        return None


async def mark(database: Database, leader: Leader, user: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(MARK, user)
        await leader.check(tx)


def leader(database: Database, url: str) -> Leader:
    return Leader(database, lock_of(url), FrozenClock())


async def test_the_second_waits_until_the_first_has_ended(database: Database, database_url: str) -> None:
    first, second = leader(database, database_url), leader(database, database_url)
    await first.lead()
    waiting = asyncio.create_task(second.lead())
    await asyncio.wait((waiting,), timeout=1.2)
    assert (first.trouble(), second.waits, waiting.done()) == (None, True, False)
    await first.close()
    await asyncio.wait_for(waiting, LIMIT)
    assert second.trouble() is None
    await second.close()


async def test_whoever_was_overtaken_commits_nothing_and_is_told(database: Database) -> None:
    first, second = (Leader(database, Anybody(), FrozenClock()) for _ in range(2))
    await first.lead()
    await mark(database, first, "@before:x")
    await second.lead()
    with pytest.raises(Overtaken):
        await mark(database, first, "@after:x")
    assert [row["user_id"] for row in await database.fetch("SELECT user_id FROM tracked_users")] == [
        "@before:x"
    ]
    with pytest.raises(Overtaken):
        await asyncio.wait_for(first.watch(), LIMIT)
    assert (first.trouble(), second.trouble()) == ("another process works on this database now", None)
    async with database.transaction() as tx:
        await second.check(tx)


async def test_whoever_was_overtaken_is_told_without_committing_anything(database: Database) -> None:
    first, second = (Leader(database, Anybody(), FrozenClock()) for _ in range(2))
    await first.lead()
    watching = asyncio.create_task(first.watch())
    await second.lead()
    with pytest.raises(Overtaken):
        await asyncio.wait_for(watching, LIMIT)


async def test_a_lock_that_was_lost_to_nobody_is_taken_again(
    database: Database, database_url: str, request: pytest.FixtureRequest
) -> None:
    first, second = leader(database, database_url), leader(database, database_url)
    await first.lead()
    watching = asyncio.create_task(first.watch())
    if database_url.startswith("sqlite"):
        os.unlink(f"{database_url.removeprefix('sqlite:///')}.leader")
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        name = database_url.rpartition("/")[2]
        assert await asyncio.to_thread(server.sql, END_LOCK_SESSIONS.format(name=name)) == "t"
    await asyncio.wait((watching,), timeout=1.5)
    waiting = asyncio.create_task(second.lead())
    await asyncio.wait((waiting,), timeout=1.0)
    assert (first.trouble(), second.waits, watching.done()) == (None, True, False)
    for task in (watching, waiting):
        task.cancel()
    await asyncio.wait((watching, waiting))
    for one in (first, second):
        await one.close()


async def test_a_lock_whose_file_was_deleted_is_lost_to_who_locks_the_new_one(tmp_path: Path) -> None:
    first, second = (lock_of(f"sqlite:///{tmp_path / 'bridge.db'}") for _ in range(2))
    assert await first.acquire()
    assert not await second.acquire()
    (tmp_path / "bridge.db.leader").unlink()
    assert await second.acquire()
    assert not await first.is_held()
    assert not await first.acquire()
    assert await second.is_held()
    await second.release()
    assert await first.acquire()
    await first.release()


@pytest.mark.parametrize("turns", range(4))
async def test_a_lock_whose_session_ended_while_its_process_was_frozen_is_taken_again(
    postgres_server: PostgresServer, turns: int
) -> None:
    name = f"frozen_{turns}"
    lock = lock_of(postgres_server.create_database(name))
    assert await lock.acquire()
    assert postgres_server.sql(END_LOCK_SESSIONS.format(name=name)) == "t"  # and nothing else runs meanwhile
    for _ in range(
        turns
    ):  # of the event loop: it reads the server's last words and the end one after the other
        await asyncio.sleep(0)
    assert not await lock.is_held()
    assert await lock.acquire()
    await lock.release()
