"""A backup taken while the bridge writes, and put back: into SQLite and PostgreSQL, from SQLite and PostgreSQL."""

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from bridge.core.clock import FrozenClock
from bridge.storage.backup import restore as restoring
from bridge.storage.backup.errors import (
    BridgeRuns,
    CannotWrite,
    Damaged,
    FileExists,
    FromNewerRelease,
    NotEmpty,
    NothingToBackUp,
    OtherSecrets,
)
from bridge.storage.backup.file import Reader, Secrets
from bridge.storage.backup.make import Made, back_up
from bridge.storage.backup.restore import AHEAD, Put
from bridge.storage.backup.schema import NOT_KEPT, counted, tables
from bridge.storage.database import (
    Database,
    DatabaseTooNew,
    DatabaseUnavailable,
    Transaction,
    connect,
    open_database,
)
from bridge.storage.leader import lock_of
from bridge.storage.migrate import LOCK, SHIPPED, read
from tests.bridge.conversations.features import MASTER_KEY, Features

KEYS = Secrets(MASTER_KEY, b"p" * 32, b"i" * 32)
CLOCK = FrozenClock()
KNOWN = read(SHIPPED)
KEPT = [table for table in tables(KNOWN) if table not in NOT_KEPT]


async def backed_up(url: str, folder: Path, name: str = "backup") -> tuple[Path, Made]:
    path = folder / name
    return path, await back_up(url, path, KEYS, clock=CLOCK)


async def put_back(url: str, path: Path, *, replace: bool = False, keys: Secrets = KEYS) -> Put:
    async def nothing(_: Transaction) -> None:
        return None

    return await restoring.restore(url, path, keys, replace=replace, clock=CLOCK, finish=nothing)


async def contents(url: str) -> dict[str, list[str]]:
    """All rows of all that is kept."""
    database = await open_database(url)
    found = {}
    for table in [*KEPT, LOCK]:
        rows: list[Any] = await database.fetch(f"SELECT * FROM {table}")
        found[table] = sorted(repr(_row(dict(row))) for row in rows)
    await database.close()
    return found


def _row(row: dict[str, object]) -> list[tuple[str, object]]:
    """But for when a migration was applied, which is no part of it."""
    return sorted((name, value) for name, value in row.items() if name != "applied_at")


async def lived_in(database: Database) -> Features:
    """Conversations, messages, keys: text, bytes, numbers and NULLs, and references between tables."""
    features = Features(database)
    for party in ("p1", "p2"):
        conversation = await features.open(party=party)
        for number in range(5):
            await features.post(conversation, text=f"Grüße {number} 🎉")
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO tracked_users (user_id) VALUES ($1)", "@anna:example.org")
        await tx.execute(
            "INSERT INTO devices (user_id, device_id, identity_key, signing_key, olm, signed)"
            " VALUES ('@anna:example.org', 'D', 'k', 's', 1, 0)"
        )
    return features


async def test_a_backup_put_back_is_the_same_database(
    database: Database, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    features = await lived_in(database)
    told = await features.told()
    path, made = await backed_up(database_url, tmp_path)
    put = await put_back(empty_url, path)
    assert put == Put(made.rows, CLOCK.now())
    assert await contents(empty_url) == await contents(database_url)
    # Whatever was sealed opens.
    restored = await open_database(empty_url)
    assert await Features(restored).told() == told
    await restored.close()


async def test_every_table_is_in_it(database: Database, database_url: str) -> None:
    sqlite = database_url.startswith("sqlite")
    rows = await database.fetch(restoring.TABLES_SQLITE if sqlite else restoring.TABLES_POSTGRES)
    there = {row["name"] for row in rows if not row["name"].startswith("sqlite_")}
    assert there == {*KEPT, *NOT_KEPT, LOCK}


async def test_a_backup_taken_while_the_bridge_writes_is_of_one_moment(
    database: Database, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    """Each message comes with its outbox item in one transaction: no backup has one without the other."""
    features = await lived_in(database)
    conversation = await features.open()
    stop, under_way = asyncio.Event(), asyncio.Event()
    written = 0

    async def write() -> None:
        nonlocal written
        while not stop.is_set():
            await features.post(conversation, text="More")
            written += 1
            if written == 20:
                under_way.set()
            await asyncio.sleep(0)

    async def another_process() -> tuple[Path, Made]:
        return await backed_up(database_url, tmp_path)

    writing = asyncio.create_task(write())
    await under_way.wait()
    before = written
    path, _ = await asyncio.to_thread(asyncio.run, another_process())
    assert written > before, "nothing was written meanwhile"
    stop.set()
    await writing
    await put_back(empty_url, path)
    restored = await open_database(empty_url)
    messages = await restored.fetch_value("SELECT COUNT(*) FROM messages")
    items = await restored.fetch_value("SELECT COUNT(*) FROM outbox WHERE topic = 'listener.MessagePosted'")
    assert messages == items >= before
    assert messages < await database.fetch_value("SELECT COUNT(*) FROM messages") or written == before
    await restored.close()


async def test_numbers_given_out_since_the_backup_never_come_again(
    database: Database, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    await lived_in(database)
    path, _ = await backed_up(database_url, tmp_path)
    await put_back(empty_url, path)
    restored = await open_database(empty_url)
    last = await restored.fetch_value("SELECT MAX(position) FROM messages")
    features = Features(restored)
    conversation = await features.open()
    await features.post(conversation, text="After the restore")
    assert await restored.fetch_value("SELECT MAX(position) FROM messages") == last + AHEAD + 1
    async with restored.transaction() as tx:
        for table, column in counted(KNOWN):  # those without a row, too
            if table == "to_device":
                await tx.execute(
                    "INSERT INTO to_device (id, sender, session_id, type, body) VALUES ('1', 's', 's', 't', 'b')"
                )
                assert await tx.fetch_value(f"SELECT {column} FROM {table}") == AHEAD + 1
    await restored.close()


async def test_a_database_that_holds_something_is_replaced_only_when_asked(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    features = await lived_in(database)
    path, _ = await backed_up(database_url, tmp_path)
    before = await contents(database_url)
    conversation = await features.open()
    await features.post(conversation, text="Since then")
    since = await contents(database_url)
    with pytest.raises(NotEmpty, match="--replace"):
        await put_back(database_url, path)
    assert await contents(database_url) == since
    await put_back(database_url, path, replace=True)
    assert await contents(database_url) == before
    await put_back(database_url, path, replace=True)  # as often as one likes
    assert await contents(database_url) == before


async def test_a_migrated_database_without_rows_counts_as_empty(
    database: Database, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    await lived_in(database)
    path, _ = await backed_up(database_url, tmp_path)
    await (await open_database(empty_url)).close()
    await put_back(empty_url, path)
    assert await contents(empty_url) == await contents(database_url)


async def test_no_bridge_may_work_on_it(
    database: Database, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    path, _ = await backed_up(database_url, tmp_path)
    lock = lock_of(empty_url)
    assert await lock.acquire()
    with pytest.raises(BridgeRuns, match="stop it first"):
        await put_back(empty_url, path)
    await lock.release()
    await put_back(empty_url, path)


async def test_who_led_before_leads_no_longer(database: Database, database_url: str, tmp_path: Path) -> None:
    """A process that was frozen during the restore must find a newer fence than its own."""
    path, _ = await backed_up(database_url, tmp_path)
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO leader (one, fence, since) VALUES (1, 7, 0)")
    await put_back(database_url, path, replace=True)
    assert await database.fetch_value("SELECT fence FROM leader") == 8


async def test_a_failure_in_the_middle_changes_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    features = await lived_in(database)
    path, _ = await backed_up(database_url, tmp_path)
    await features.post(await features.open(), text="Since then")
    since = await contents(database_url)

    async def fail(_: Transaction) -> None:
        raise RuntimeError("at the very end")

    with pytest.raises(RuntimeError):
        await restoring.restore(database_url, path, KEYS, replace=True, clock=CLOCK, finish=fail)
    assert await contents(database_url) == since


async def test_a_damaged_file_or_other_secrets_change_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await lived_in(database)
    path, _ = await backed_up(database_url, tmp_path)
    before = await contents(database_url)
    data = path.read_bytes()
    wrong = tmp_path / "wrong"
    wrong.write_bytes(data[:-1])
    with pytest.raises(Damaged):
        await put_back(database_url, wrong, replace=True)
    with pytest.raises(Damaged, match="No such file"):
        await put_back(database_url, tmp_path / "missing", replace=True)
    with pytest.raises(OtherSecrets):
        await put_back(database_url, path, replace=True, keys=Secrets(MASTER_KEY, b"x" * 32, b"i" * 32))
    assert await contents(database_url) == before


def older(folder: Path) -> Path:
    """The migrations of an earlier release."""
    folder.mkdir()
    for migration in KNOWN[:-1]:
        (folder / migration.name).write_text((Path(str(SHIPPED)) / migration.name).read_text())
    return folder


async def test_a_backup_of_an_earlier_release_is_brought_up_to_date(empty_url: str, tmp_path: Path) -> None:
    folder = older(tmp_path / "older")
    source = f"sqlite:///{tmp_path / 'older.db'}"
    await (await open_database(source, migrations=folder)).close()
    path = tmp_path / "backup"
    await back_up(source, path, KEYS, clock=CLOCK, migrations=folder)
    await put_back(empty_url, path)
    database = await open_database(empty_url)
    versions = {row["version"] for row in await database.fetch("SELECT version FROM schema_migrations")}
    await database.close()
    assert versions == {migration.version for migration in KNOWN}


async def test_what_a_newer_release_has_made_is_left_to_it(
    database: Database, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    path, _ = await backed_up(database_url, tmp_path)
    folder = older(tmp_path / "older")

    async def nothing(_: Transaction) -> None:
        return None

    with pytest.raises(FromNewerRelease):
        await restoring.restore(
            empty_url, path, KEYS, replace=False, clock=CLOCK, finish=nothing, migrations=folder
        )
    with pytest.raises(DatabaseTooNew):
        await back_up(database_url, tmp_path / "another", KEYS, clock=CLOCK, migrations=folder)
    assert not (tmp_path / "another").exists()
    await (await open_database(empty_url)).close()
    old = tmp_path / "old"
    source = f"sqlite:///{tmp_path / 'older.db'}"
    await (await open_database(source, migrations=folder)).close()
    await back_up(source, old, KEYS, clock=CLOCK, migrations=folder)
    with pytest.raises(DatabaseTooNew):
        await restoring.restore(
            empty_url, old, KEYS, replace=True, clock=CLOCK, finish=nothing, migrations=folder
        )


async def test_another_programs_database_is_left_alone(
    database: Database, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    """Synapse, too, has tables called `rooms` and `devices`."""
    path, _ = await backed_up(database_url, tmp_path)
    other = await connect(empty_url)
    async with other.transaction() as tx:
        await tx.execute("CREATE TABLE rooms (room_id TEXT)")
    with pytest.raises(NotEmpty, match="another program"):
        await put_back(empty_url, path, replace=True)
    assert await other.fetch("SELECT * FROM rooms") == []
    await other.close()


async def test_tables_of_others_stay_beside_ours(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    path, _ = await backed_up(database_url, tmp_path)
    async with database.transaction() as tx:
        await tx.execute("CREATE TABLE somebody_elses (x TEXT)")
    await put_back(database_url, path, replace=True)
    assert await database.fetch("SELECT * FROM somebody_elses") == []


async def test_a_backup_is_for_our_eyes_only_and_overwrites_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    path, made = await backed_up(database_url, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size == made.size
    data = path.read_bytes()
    with pytest.raises(FileExists):
        await backed_up(database_url, tmp_path)
    assert path.read_bytes() == data
    with pytest.raises(CannotWrite, match="No such file"):
        await back_up(database_url, tmp_path / "missing" / "backup", KEYS, clock=CLOCK)
    with path.open("rb") as file:
        assert sum(len(batch.rows) for batch in Reader(file, KEYS).rows()) == made.rows


async def test_a_database_that_is_none_leaves_no_file(empty_url: str, tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    with pytest.raises((NothingToBackUp, DatabaseUnavailable)):
        await backed_up(empty_url, tmp_path)
    assert sorted(os.listdir(tmp_path)) == before
