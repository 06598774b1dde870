"""Make a backup: of one moment, while the bridge runs, into a file that is there as a whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import BinaryIO

from bridge.core.clock import Clock
from bridge.storage.backup.errors import CannotWrite, FileExists, NothingToBackUp
from bridge.storage.backup.file import Secrets, Writer
from bridge.storage.backup.schema import NOT_KEPT, tables
from bridge.storage.backup.snapshot import Snapshot, snapshot
from bridge.storage.database import DatabaseTooNew
from bridge.storage.migrate import LOCK, SHIPPED, read


@dataclass(frozen=True, slots=True)
class Made:
    """`size`: bytes of the file; `taken_at`: epoch ms."""

    rows: int
    size: int
    taken_at: int


async def back_up(
    url: str, path: Path, keys: Secrets, *, clock: Clock, migrations: Traversable = SHIPPED
) -> Made:
    """Raises refusals, `DatabaseUnavailable` and `DatabaseTooNew`; then there is no file."""
    known = read(migrations)
    with _made_whole(path) as file:
        async with snapshot(url) as taken:
            # Before the first read, which fixes the moment: what is older is in it for certain.
            taken_at = clock.now()
            there = await taken.tables()
            applied = await _applied(taken) if LOCK in there else []
            if not applied:
                raise NothingToBackUp(
                    "This database was never used by the bridge: check `database.url`. No file was written."
                )
            if not set(applied) <= {migration.version for migration in known}:
                raise DatabaseTooNew("a newer release has used this database: make the backup with that one")
            writer = Writer(file, keys, taken_at=taken_at, migrations=applied)
            for table in tables(known):
                if table in there and table not in NOT_KEPT:
                    async for columns, row in taken.rows(table):
                        writer.add(table, columns, row)
            writer.close()
            return Made(writer.count, file.tell(), taken_at)


async def _applied(taken: Snapshot) -> list[int]:
    found = [dict(zip(columns, row, strict=True)) async for columns, row in taken.rows(LOCK)]
    return sorted(int(row["version"] or 0) for row in found)


@contextmanager
def _made_whole(path: Path) -> Iterator[BinaryIO]:
    """A file for our eyes only, under its name once all of it is on disk."""
    if path.exists():
        raise FileExists(f"{path} exists: name a new file. It was left as it is.")
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.rename(name, path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise CannotWrite(f"{path} cannot be written: {error.strerror}. No file was left.") from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
