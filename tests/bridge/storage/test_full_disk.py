"""A full disk costs whole transactions, each of which is told, and nothing else."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from bridge.storage.database import Database, StorageFull
from tests.bridge.storage.notes import add_note, names, open_notes
from tests.servers.postgres import PostgresServer

PAGE = b"x" * 20_000


class TinyDisk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mount(self, size: str) -> None:
        self._run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(self.folder))

    def resize(self, size: str) -> None:
        self._run("mount", "-o", f"remount,size={size}", str(self.folder))

    def unmount(self) -> None:
        self._run("umount", str(self.folder))

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def tiny_disk() -> Iterator[TinyDisk]:
    if os.geteuid() != 0:
        pytest.skip("2026-11-21: only root can mount a tiny disk")
    with tempfile.TemporaryDirectory(prefix="festimo-tiny-disk-") as folder:
        Path(folder).chmod(0o755)
        disk = TinyDisk(Path(folder))
        try:
            disk.mount("2m")
        except (subprocess.CalledProcessError, FileNotFoundError):
            pytest.skip("2026-11-21: this machine does not let us mount a tiny disk")
        yield disk
        disk.unmount()


async def fill(database: Database, *, at_once: int) -> tuple[set[str], int]:
    """What was told to be stored, and how many were told that the disk is full."""
    stored: set[str] = set()
    for step in count():
        assert step < 1000, "the disk does not get full"
        attempt = [f"{step}.{number}" for number in range(at_once)]
        told: list[str] = []
        work = (add_note(database, name, body=PAGE, told=partial(told.append, name)) for name in attempt)
        results = await asyncio.gather(*work, return_exceptions=True)
        assert {type(result) for result in results} <= {type(None), StorageFull}
        succeeded = [name for name, result in zip(attempt, results, strict=True) if result is None]
        assert sorted(told) == sorted(succeeded)
        stored |= set(succeeded)
        if len(succeeded) < at_once:
            return stored, at_once - len(succeeded)
    raise AssertionError


@pytest.mark.parametrize("at_once", [1, 8])
async def test_sqlite_at_its_largest_size_stores_nothing_half(sqlite_notes: Database, at_once: int) -> None:
    await add_note(sqlite_notes, "first")
    async with sqlite_notes.transaction() as transaction:
        await transaction.fetch("PRAGMA max_page_count = 200")
    stored, refused = await fill(sqlite_notes, at_once=at_once)
    assert refused > 0
    assert await names(sqlite_notes) == stored | {"first"}
    async with sqlite_notes.transaction() as transaction:
        await transaction.fetch("PRAGMA max_page_count = 100000")
    await add_note(sqlite_notes, "after", body=PAGE)
    assert await names(sqlite_notes) == stored | {"first", "after"}


@pytest.mark.parametrize("at_once", [1, 8])
async def test_sqlite_on_a_full_disk_stores_nothing_half_and_goes_on_once_there_is_space(
    tiny_disk: TinyDisk, at_once: int
) -> None:
    database = await open_notes(f"sqlite:///{tiny_disk.folder / 'notes.db'}")
    stored, _ = await fill(database, at_once=at_once)
    assert await names(database) == stored
    tiny_disk.resize("16m")
    await add_note(database, "after", body=PAGE)
    assert await names(database) == stored | {"after"}
    assert await database.fetch_value("PRAGMA integrity_check") == "ok"
    await database.close()


@pytest.mark.parametrize("at_once", [1, 8])
async def test_postgres_on_a_full_disk_stores_nothing_half_and_goes_on_once_there_is_space(
    tiny_disk: TinyDisk, postgres_server: PostgresServer, at_once: int
) -> None:
    postgres_server.own(tiny_disk.folder)
    name = f"tiny_{at_once}"
    url = postgres_server.create_database(name)
    database = await open_notes(url)
    postgres_server.sql(f"CREATE TABLESPACE {name} LOCATION '{tiny_disk.folder}'")
    try:
        postgres_server.sql(f"ALTER TABLE notes SET TABLESPACE {name}", database=name)
        postgres_server.sql("ALTER TABLE notes ALTER COLUMN body SET STORAGE EXTERNAL", database=name)
        stored, _ = await fill(database, at_once=at_once)
        assert await names(database) == stored
        tiny_disk.resize("16m")
        await add_note(database, "after", body=PAGE)
        assert await names(database) == stored | {"after"}
    finally:
        await database.close()
        postgres_server.drop_database(name)
        postgres_server.sql(f"DROP TABLESPACE {name}")
