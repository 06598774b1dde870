import asyncio
import os
import pwd
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bridge.core.clock import FrozenClock
from bridge.storage.database import Database, DatabaseTooNew, DatabaseUnavailable, open_database
from bridge.storage.migrate import split
from tests.bridge.storage.notes import INSERT_NOTE, MIGRATIONS, add_note, names, open_notes
from tests.servers.postgres import UNPRIVILEGED, PostgresServer


@contextmanager
def without_privileges(folder: Path) -> Iterator[None]:
    """Root may write anything; so be somebody else, who may at least come near."""
    if os.geteuid() != 0:
        yield
        return
    for parent in (folder, *folder.parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    os.seteuid(pwd.getpwnam(UNPRIVILEGED).pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_the_migrations_of_the_bridge_apply_to_both_databases(database: Database) -> None:
    assert await database.fetch_value("SELECT COUNT(*) FROM schema_migrations") > 0


async def test_each_migration_is_applied_once_and_recorded(empty_url: str) -> None:
    clock = FrozenClock()
    for _ in range(2):
        database = await open_database(empty_url, clock=clock, migrations=MIGRATIONS)
        rows = await database.fetch(
            "SELECT version, name, applied_at FROM schema_migrations ORDER BY version"
        )
        await database.close()
        recorded = [(row["version"], row["name"], row["applied_at"]) for row in rows]
        assert recorded == [
            (1, "0001_notes.sql", 1_800_000_000_000),
            (2, "0002_pages.sql", 1_800_000_000_000),
        ]
        clock.advance(1)


async def test_a_later_release_applies_only_what_is_new(empty_url: str, tmp_path: Path) -> None:
    folder = copy_of_the_migrations(tmp_path)
    await (await open_notes(empty_url)).close()
    (folder / "0003_later.sql").write_text("ALTER TABLE notes ADD COLUMN colour TEXT;\n")
    database = await open_database(empty_url, migrations=folder)
    assert await database.fetch("SELECT colour FROM notes") == []
    await database.close()


async def test_several_may_open_a_new_database_at_once(empty_url: str) -> None:
    databases = await asyncio.gather(*(open_notes(empty_url) for _ in range(4)))
    for number, database in enumerate(databases):
        await add_note(database, f"{number}")
    for database in databases:
        assert len(await names(database)) == 4
        await database.close()


async def test_a_failing_migration_leaves_nothing_of_itself(empty_url: str, tmp_path: Path) -> None:
    folder = copy_of_the_migrations(tmp_path)
    (folder / "0003_broken.sql").write_text("CREATE TABLE half (a TEXT);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(Exception, match="nowhere") as failure:
        await open_database(empty_url, migrations=folder)
    assert failure.value.__notes__ == ["while applying the migration 0003_broken.sql"]
    database = await open_notes(empty_url)
    assert await database.fetch_value("SELECT MAX(version) FROM schema_migrations") == 2
    with pytest.raises(Exception, match="half"):
        await database.fetch("SELECT * FROM half")
    await database.close()


async def test_the_database_of_a_newer_release_is_refused_and_left_as_it_is(
    empty_url: str, tmp_path: Path
) -> None:
    folder = copy_of_the_migrations(tmp_path)
    (folder / "0009_future.sql").write_text("CREATE TABLE future (a TEXT);\n")
    await (await open_database(empty_url, migrations=folder)).close()
    with pytest.raises(DatabaseTooNew, match=r"version 9.*up to 2.*newer release"):
        await open_notes(empty_url)
    database = await open_database(empty_url, migrations=folder)
    assert await database.fetch("SELECT * FROM future") == []
    await database.close()


@pytest.mark.parametrize("name", ["1_short.sql", "0002_twice.sql", "notes.sql"])
async def test_a_misnamed_migration_is_refused(name: str, tmp_path: Path) -> None:
    folder = copy_of_the_migrations(tmp_path)
    (folder / name).write_text("SELECT 1;\n")
    with pytest.raises(ValueError, match=name):
        await open_database(f"sqlite:///{tmp_path / 'notes.db'}", migrations=folder)


def test_a_statement_ends_at_a_semicolon_that_closes_its_line() -> None:
    text = "-- about; this;\nSELECT ';' AS a,\n  2;  -- two;\n\n  -- more\nSELECT 3\n;\n"
    assert split(text) == ("SELECT ';' AS a,\n  2", "SELECT 3")


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


def copy_of_the_migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for file in MIGRATIONS.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.mark.parametrize("name", ["notes.db", "missing/notes.db", ""])
async def test_sqlite_that_cannot_be_written_is_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    if name == "notes.db":
        await (await open_notes(f"sqlite:///{tmp_path / name}")).close()
        (tmp_path / name).chmod(0o444)
    with without_privileges(tmp_path), pytest.raises(DatabaseUnavailable, match="must be writable"):
        await open_notes(f"sqlite:///{tmp_path / name}")


async def test_sqlite_in_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    await (await open_notes(f"sqlite:///{folder / 'notes.db'}")).close()
    (folder / "notes.db").chmod(0o666)
    folder.chmod(0o555)
    with without_privileges(folder), pytest.raises(DatabaseUnavailable, match="must be writable"):
        await open_notes(f"sqlite:///{folder / 'notes.db'}")


async def test_another_kind_of_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 100)
    with pytest.raises(DatabaseUnavailable, match="another kind of file"):
        await open_notes(f"sqlite:///{path}")
    assert path.read_text() == "Dear reader, " * 100


async def test_the_sqlite_file_is_for_us_alone_and_syncs_each_commit(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    database = await open_notes(f"sqlite:///{path}")
    await add_note(database, "a")
    assert modes(tmp_path) == {"notes.db": 0o600, "notes.db-shm": 0o600, "notes.db-wal": 0o600}
    async with database.transaction() as transaction:
        assert await transaction.fetch_value("PRAGMA synchronous") == 2  # FULL
        assert await transaction.fetch_value("PRAGMA journal_mode") == "wal"
        assert await transaction.fetch_value("PRAGMA foreign_keys") == 1
    await database.close()


async def test_a_lock_that_another_process_keeps_is_told_and_passes(
    sqlite_notes: Database, sqlite_path: str
) -> None:
    async with sqlite_notes.transaction() as transaction:
        await transaction.fetch("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(
            *(add_note(sqlite_notes, f"{number}") for number in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [DatabaseUnavailable] * 3
        other.execute("ROLLBACK")
    await add_note(sqlite_notes, "a")
    assert await names(sqlite_notes) == {"a"}


@pytest.mark.parametrize("setting", ["default_transaction_read_only = on", None])
async def test_postgres_that_takes_no_writes_is_refused(
    postgres_server: PostgresServer, setting: str | None, request: pytest.FixtureRequest
) -> None:
    name = f"read_only_{setting is None}".lower()
    url = postgres_server.create_database(name)
    request.addfinalizer(lambda: postgres_server.drop_database(name))
    if setting is not None:
        postgres_server.sql(f"ALTER DATABASE {name} SET {setting}")
    else:  # a user without the right to make tables
        postgres_server.sql("CREATE ROLE reader LOGIN PASSWORD 'reader'")
        request.addfinalizer(lambda: postgres_server.sql("DROP ROLE reader"))
        url = f"postgresql://reader:reader@{url.partition('@')[2]}"
    with pytest.raises(DatabaseUnavailable, match="takes writes"):
        await open_notes(url)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/postgres", "/no_such_database"),
        ("festimo:", "nobody_known:"),
        ("@127.0.0.1:", "x@127.0.0.1:"),  # a password with a letter more
    ],
)
async def test_postgres_that_cannot_be_reached_is_told_without_the_password(
    postgres_server: PostgresServer, old: str, new: str
) -> None:
    url = postgres_server.url("postgres")
    password = url.split(":")[2].split("@")[0]
    with pytest.raises(DatabaseUnavailable) as refusal:
        await open_notes(url.replace(old, new))
    assert password not in str(refusal.value)


@pytest.mark.parametrize("url", ["", "notes.db", "sqlite://", "sqlite:///", "mysql://host/name"])
async def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="write sqlite:"):
        await open_notes(url)


async def test_reading_goes_on_while_somebody_writes(notes: Database) -> None:
    await add_note(notes, "a")
    async with notes.transaction() as transaction:
        await transaction.execute(INSERT_NOTE, "b", None)
        counts = await asyncio.gather(*(notes.fetch_value("SELECT COUNT(*) FROM notes") for _ in range(20)))
        assert counts == [1] * 20
