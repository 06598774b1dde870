import asyncio

import pytest

from bridge.storage.database import Database, DatabaseUnavailable
from bridge.storage.sqlite import GROUP_LIMIT, SqliteDatabase, for_sqlite
from tests.bridge.storage.notes import INSERT_NOTE, add_note, names


async def commits_of(database: Database) -> list[str]:
    assert isinstance(database, SqliteDatabase)
    commits: list[str] = []
    database.writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    return commits


async def test_waiting_transactions_share_one_commit(sqlite_notes: Database) -> None:
    commits = await commits_of(sqlite_notes)
    await asyncio.gather(*(add_note(sqlite_notes, f"{number}") for number in range(50)))
    assert len(commits) == 1
    assert len(await names(sqlite_notes)) == 50


async def test_a_group_is_bounded(sqlite_notes: Database) -> None:
    commits = await commits_of(sqlite_notes)
    await asyncio.gather(*(add_note(sqlite_notes, f"{number}") for number in range(2 * GROUP_LIMIT + 1)))
    assert len(commits) == 3


async def test_one_alone_is_committed_at_once(sqlite_notes: Database) -> None:
    commits = await commits_of(sqlite_notes)
    for number in range(5):
        await add_note(sqlite_notes, f"{number}")
    assert len(commits) == 5


async def test_nobody_is_told_before_the_commit_of_the_group(sqlite_notes: Database) -> None:
    commits = await commits_of(sqlite_notes)
    commits_when_told: list[int] = []
    work = (
        add_note(sqlite_notes, f"{number}", told=lambda: commits_when_told.append(len(commits)))
        for number in range(10)
    )
    await asyncio.gather(*work)
    assert commits_when_told == [1] * 10


async def test_a_lost_connection_fails_the_group_and_the_next_one_has_another(sqlite_notes: Database) -> None:
    assert isinstance(sqlite_notes, SqliteDatabase)
    told: list[str] = []

    async def lose_it() -> None:
        async with sqlite_notes.transaction() as transaction:
            await transaction.execute(INSERT_NOTE, "x", None)
            assert isinstance(sqlite_notes, SqliteDatabase)
            sqlite_notes.writer.close()

    results = await asyncio.gather(
        add_note(sqlite_notes, "a", told=lambda: told.append("a")), lose_it(), return_exceptions=True
    )
    assert [type(result) for result in results] == [DatabaseUnavailable] * 2
    assert told == []
    assert await names(sqlite_notes) == set()
    await add_note(sqlite_notes, "b")
    assert await names(sqlite_notes) == {"b"}


@pytest.mark.parametrize(
    ("sql", "translated"),
    [
        ("SELECT 1 FROM t FOR UPDATE", "SELECT 1 FROM t"),
        ("SELECT 1 FROM t\nFOR UPDATE SKIP LOCKED\n", "SELECT 1 FROM t\n"),
        # in a subquery, as a claim has it
        (
            "(SELECT 1 FROM t LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING x",
            "(SELECT 1 FROM t LIMIT 1) RETURNING x",
        ),
        (
            "CREATE TABLE t (seq BIGSERIAL PRIMARY KEY)",
            "CREATE TABLE t (seq INTEGER PRIMARY KEY AUTOINCREMENT)",
        ),
        ("UPDATE t SET a = 'waiting FOR UPDATE of b'", "UPDATE t SET a = 'waiting FOR UPDATE of b'"),
    ],
)
def test_what_is_said_otherwise_on_sqlite(sql: str, translated: str) -> None:
    assert for_sqlite(sql) == translated
