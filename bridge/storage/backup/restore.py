"""Put a backup back: all of it in one transaction, or nothing; only where nobody works on the database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from bridge.core.clock import Clock
from bridge.storage import migrate
from bridge.storage.backup.errors import BridgeRuns, Damaged, FromNewerRelease, NotEmpty
from bridge.storage.backup.file import Header, Reader, Secrets
from bridge.storage.backup.schema import NOT_KEPT, counted, tables
from bridge.storage.database import DatabaseTooNew, Transaction, connect, sqlite_path
from bridge.storage.leader import lock_of
from bridge.storage.migrate import SHIPPED, Migration

AHEAD = 1_000_000
"""How far a table's numbers go on behind those of the backup: those given out since shall not come again, as somebody
may remember one (a cursor of the API: "what came after it")."""
STAY_EVERY = 2.0
"""Seconds: the lock's session may not be silent for longer than three times that."""

TABLES_SQLITE = "SELECT name FROM sqlite_master WHERE type = 'table'"
TABLES_POSTGRES = "SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()"
SELECT_FENCE = "SELECT fence FROM leader WHERE one = 1"
PUT_FENCE = "INSERT INTO leader (one, fence, since) VALUES (1, $1, $2)"
FORGET_COUNT_SQLITE = "DELETE FROM sqlite_sequence WHERE name = $1"
COUNT_ON_SQLITE = "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)"
COUNT_ON_POSTGRES = "SELECT setval(pg_get_serial_sequence($1, $2)::regclass, $3)"

Finish = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Put:
    """`taken_at`: the moment that the database shows now, in epoch ms."""

    rows: int
    taken_at: int


async def restore(
    url: str,
    path: Path,
    keys: Secrets,
    *,
    replace: bool,
    clock: Clock,
    finish: Finish,
    migrations: Traversable = SHIPPED,
) -> Put:
    """`finish` is called in the transaction that has put everything back.

    Raises refusals, `DatabaseUnavailable` and `DatabaseTooNew`; then nothing was changed.
    """
    known = migrate.read(migrations)
    header = _checked(path, keys, known)
    async with alone(url):
        database = await connect(url, patient=True)
        try:
            async with database.transaction() as tx:
                await tx.lock(migrate.LOCK)
                place = _Place(tx, url, known, clock)
                await place.clear(replace=replace)
                rows = await place.fill(path, keys, header)
                await finish(tx)
        finally:
            await database.close()
    return Put(rows, header.taken_at)


def _checked(path: Path, keys: Secrets, known: Iterable[Migration]) -> Header:
    """All of the file is read, before anything is done."""
    try:
        with path.open("rb") as file:
            reader = Reader(file, keys)
            for _ in reader.rows():
                pass
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}. Nothing was changed.") from error
    if not set(reader.header.migrations) <= {migration.version for migration in known}:
        raise FromNewerRelease(
            "The backup was made by a newer release: restore it with that one. Nothing was changed."
        )
    return reader.header


@asynccontextmanager
async def alone(url: str) -> AsyncIterator[None]:
    """As the one process that may work on the database. Raise `BridgeRuns`."""
    lock = lock_of(url)
    if not await lock.acquire():
        await lock.release()
        raise BridgeRuns("A bridge works on this database: stop it first. Nothing was changed.")

    async def stay() -> None:
        while True:
            await asyncio.sleep(STAY_EVERY)
            await lock.is_held()

    staying = asyncio.create_task(stay())
    try:
        yield
    finally:
        staying.cancel()
        await asyncio.wait([staying])
        await lock.release()


class _Place:
    """The database that the backup comes into, within the one transaction."""

    def __init__(self, tx: Transaction, url: str, known: list[Migration], clock: Clock) -> None:
        self._tx = tx
        self._is_sqlite = sqlite_path(url) is not None
        self._known = known
        self._clock = clock
        self._fence = 0

    async def clear(self, *, replace: bool) -> None:
        """Leave no table of ours. Raise `NotEmpty` unless that is wanted, or they hold nothing."""
        rows = await self._tx.fetch(TABLES_SQLITE if self._is_sqlite else TABLES_POSTGRES)
        there = {row["name"] for row in rows}
        ours = [table for table in tables(self._known) if table in there]
        if migrate.LOCK not in there and ours:
            raise NotEmpty(
                f"The database is another program's: it has a table {ours[0]} of its own. Use one for the bridge alone."
                " Nothing was changed."
            )
        if migrate.LOCK in there:
            await self._check_version()
        for table in ours:
            if (
                not replace
                and table not in NOT_KEPT
                and await self._tx.fetch(f"SELECT 1 FROM {table} LIMIT 1")
            ):
                raise NotEmpty(
                    "The database is in use: it holds data. Nothing was changed. To lose what it holds and have the"
                    " backup instead, add --replace; make a backup of it first."
                )
        if "leader" in there:
            self._fence = await self._tx.fetch_value(SELECT_FENCE) or 0
        for table in reversed(ours):
            await self._tx.execute(f"DROP TABLE {table}")
        await self._tx.execute(f"DROP TABLE IF EXISTS {migrate.LOCK}")

    async def fill(self, path: Path, keys: Secrets, header: Header) -> int:
        """The tables as they were, the rows in them, then what this release has added since."""
        count = 0
        await self._tx.execute(migrate.TABLE)
        await self._apply(one for one in self._known if one.version in header.migrations)
        with path.open("rb") as file:
            for batch in Reader(file, keys).rows():
                places = ", ".join(f"${number}" for number in range(1, len(batch.columns) + 1))
                sql = f"INSERT INTO {batch.table} ({', '.join(batch.columns)}) VALUES ({places})"
                await self._tx.execute_many(sql, batch.rows)
                count += len(batch.rows)
        await self._apply(one for one in self._known if one.version not in header.migrations)
        for table, column in counted(self._known):
            await self._count_on(table, column)
        if "leader" in tables(self._known):
            # Never back: a process that was frozen meanwhile must find that it leads no longer.
            await self._tx.execute(PUT_FENCE, self._fence + 1, self._clock.now())
        return count

    async def _check_version(self) -> None:
        applied = {row["version"] for row in await self._tx.fetch(migrate.APPLIED)}
        if not applied <= {migration.version for migration in self._known}:
            raise DatabaseTooNew("a newer release has used this database. Restore with that one")

    async def _apply(self, wanted: Iterable[Migration]) -> None:
        for migration in wanted:
            for statement in migration.statements:
                await self._tx.execute(statement)
            await self._tx.execute(migrate.RECORD, migration.version, migration.name, self._clock.now())

    async def _count_on(self, table: str, column: str) -> None:
        last = int(await self._tx.fetch_value(f"SELECT COALESCE(MAX({column}), 0) FROM {table}")) + AHEAD
        if self._is_sqlite:
            await self._tx.execute(FORGET_COUNT_SQLITE, table)
            await self._tx.execute(COUNT_ON_SQLITE, table, last)
        else:
            await self._tx.fetch(COUNT_ON_POSTGRES, table, column, last)
