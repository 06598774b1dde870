"""SQLite: one writer that commits waiting transactions together, and readers beside it.

One task at a time has the writer. Each transaction of a group runs in a savepoint of its own, and all of them
return after the one COMMIT; if that fails, all of them fail.
Statements run where they are asked for: they find a few rows by a key, in a tenth of the time that it takes to hand
one to a thread and back. What waits has a thread: a BEGIN for another process, a COMMIT for a slow disk.
"""

import asyncio
import functools
import os
import re
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

from bridge.storage.database import (
    Database,
    DatabaseUnavailable,
    Row,
    StorageFull,
    Transaction,
    UniqueViolation,
    Value,
    translated,
)

GROUP_LIMIT = 64
BUSY_TIMEOUT_MS = 5_000
BUSY_PAUSE_MS = 10
FAST_COMMIT = 0.01
"""Seconds that one takes of late. A thread costs more than it saves where the disk is faster; more than what a thread
may wait for its turn, else whoever has one would never get rid of it."""
STATEMENTS_KEPT = 512
"""Compiled statements per connection: more than we have."""
SETTINGS = ("synchronous = FULL", "foreign_keys = ON", f"busy_timeout = {BUSY_TIMEOUT_MS}")
NEVER_WAIT = "busy_timeout = 0"

P = ParamSpec("P")
T = TypeVar("T")

_ROW_LOCK = re.compile(r"\s+FOR UPDATE(?:\s+SKIP LOCKED)?(?=\s*(?:\)|;|$))", re.IGNORECASE)
_PLACE = re.compile(r"\$(\d+)")
_SERIAL = re.compile(r"\bBIGSERIAL PRIMARY KEY\b", re.IGNORECASE)


@lru_cache(maxsize=2048)
def for_sqlite(sql: str) -> str:
    """All that differs from PostgreSQL: no row locks (there is one writer), another word for counted keys, `?1`."""
    unlocked = _ROW_LOCK.sub("", sql)
    return _PLACE.sub(r"?\1", _SERIAL.sub("INTEGER PRIMARY KEY AUTOINCREMENT", unlocked))


class SqliteTransaction(Transaction):
    def __init__(self, database: "SqliteDatabase") -> None:
        super().__init__(database.translate)
        loop = asyncio.get_running_loop()
        self._database = database
        self.turn: asyncio.Future[None] = loop.create_future()
        self.left: asyncio.Future[bool] = loop.create_future()
        self._settled: asyncio.Future[None] = loop.create_future()

    async def execute(self, sql: str, *args: Value) -> int:
        with self.statement:
            cursor = self._database.writer.execute(for_sqlite(sql), args)
            if cursor.description is not None:  # it gives rows: only at their end it knows how many
                cursor.fetchall()
            return max(cursor.rowcount, 0)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        with self.statement:
            self._database.writer.executemany(for_sqlite(sql), rows).close()

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        with self.statement:
            return _fetch(self._database.writer, sql, args)

    async def lock(self, *names: str) -> None:
        self.check()  # BEGIN IMMEDIATE has excluded every other writer already

    def end(self, *, commit: bool) -> asyncio.Future[None]:
        if not self.left.done():
            self.left.set_result(commit)
        return self._settled

    def settle(self) -> None:
        if not self._settled.done():
            self._settled.set_result(None)

    def fail(self, error: Exception) -> None:
        """Nothing of this is stored, which is news only to one that waits for its turn or for the commit."""
        if not self.turn.done():
            self.turn.set_exception(error)
        elif self.left.done() and not self.left.result():
            self.settle()
        elif not self._settled.done() and not self.turn.cancelled():
            self.failure = self.failure or error
            self._settled.set_exception(error)
            self._settled.exception()  # seen, even if its task never comes to look


class SqliteDatabase(Database):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._waiting: deque[SqliteTransaction] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "sqlite")
        self._usual_commit = 0.0
        self._closed = False

    @classmethod
    async def open(cls, path: str) -> "SqliteDatabase":
        database = cls(path)
        try:
            with translated(database.translate):
                _make_private(path)
                database._writer = await database._in_thread(database._connect, NEVER_WAIT)
                database._reader = await database._in_thread(database._connect, "query_only = ON")
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def writer(self) -> sqlite3.Connection:
        if self._writer is None:
            raise self._connection_lost()
        return self._writer

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        self._check_open()
        assert self._reader is not None, "it is open"
        try:
            return _fetch(self._reader, sql, args)
        except Exception as error:
            typed = self.translate(error)
            if typed is error:
                raise
            raise typed from error

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._writing is not None:
            await asyncio.wait((self._writing,))
        for connection in (self._reader, self._writer):
            if connection is not None:
                await self._in_thread(connection.close)  # the last one empties the write-ahead log
        self._thread.shutdown()

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What may take long. It runs to its end even if nobody waits for it any more."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, functools.partial(call, *args, **kwargs)
        )

    def _connect(self, *settings: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS_KEPT
        )
        try:
            connection.row_factory = sqlite3.Row
            for setting in SETTINGS:
                connection.execute(f"PRAGMA {setting}")
            mode = _begin_log(connection)
            if mode != "wal":
                raise DatabaseUnavailable(
                    f"{self._path}: SQLite cannot keep its write-ahead log there, as on network folders. "
                    "Put the database on a local disk, or use PostgreSQL"
                )
            # Not before: to begin the log, somebody else's beginning has to be waited for.
            for setting in settings:
                connection.execute(f"PRAGMA {setting}")
        except BaseException:
            connection.close()
            raise
        return connection

    async def _begin(self) -> SqliteTransaction:
        self._check_open()
        transaction = SqliteTransaction(self)
        self._waiting.append(transaction)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="sqlite writer")
        try:
            await transaction.turn
        except asyncio.CancelledError:
            transaction.end(commit=False)  # in case its turn had just come
            raise
        return transaction

    async def _write(self) -> None:
        """The writer task: as long as there is work. Only the end of the event loop cancels it."""
        try:
            while self._waiting:
                await self._write_group()
        finally:
            self._writing = None
            for transaction in self._waiting:
                transaction.fail(DatabaseUnavailable(f"{self._path}: shutting down"))
            self._waiting.clear()

    async def _write_group(self) -> None:
        group: list[SqliteTransaction] = []
        current = self._waiting[0]
        try:
            if self._writer is None:
                self._writer = await self._in_thread(self._connect, NEVER_WAIT)
            for _ in range(GROUP_LIMIT):
                if not self._waiting:
                    break
                current = self._waiting.popleft()
                if await self._run_one(current, others=bool(group)):
                    group.append(current)
            if group:
                await self._commit(self._writer)
        except BaseException as error:
            await self._recover()
            lost = [*group, current]
            if not group:  # it could not even begin, so nor can those that wait
                lost += self._waiting
                self._waiting.clear()
            for transaction in lost:
                transaction.fail(self._lost(error))
            if not isinstance(error, Exception):
                raise
        else:
            for transaction in group:
                transaction.committed()
            for transaction in group:
                transaction.settle()

    async def _commit(self, writer: sqlite3.Connection) -> None:
        is_slow = self._usual_commit > FAST_COMMIT
        took = await self._in_thread(_commit, writer) if is_slow else _commit(writer)
        self._usual_commit += (took - self._usual_commit) / 8

    async def _run_one(self, transaction: SqliteTransaction, *, others: bool) -> bool:
        """Whether it is to be committed. The first of a group begins, the others set a savepoint."""
        if transaction.turn.done():  # given up while waiting
            return False
        if others:
            self.writer.execute("SAVEPOINT one")
        else:
            await self._begin_immediate(self.writer)
        if not transaction.turn.done():
            transaction.turn.set_result(None)
            if await transaction.left:
                return True
        try:
            self.writer.execute("ROLLBACK TO one" if others else "ROLLBACK")
        except (
            sqlite3.Error
        ) as error:  # SQLite has rolled back all by itself, as it may when the disk is full
            if others:
                raise transaction.failure if isinstance(transaction.failure, Exception) else error from None
        transaction.settle()
        return False

    async def _begin_immediate(self, writer: sqlite3.Connection) -> None:
        try:
            writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            await self._in_thread(_begin_once_free, writer)  # another process writes

    async def _recover(self) -> None:
        """Out of whatever transaction is open, if need be by another connection."""
        connection = self._writer
        if connection is None:
            return
        with suppress(sqlite3.Error):  # none is open, or the connection is gone
            connection.execute("ROLLBACK")
        with suppress(sqlite3.Error):
            if not connection.in_transaction:
                return
        self._writer = None
        with suppress(sqlite3.Error):
            connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise DatabaseUnavailable(f"{self._path}: the database is closed")

    def _connection_lost(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"{self._path}: the connection was lost; another is opened now")

    def _lost(self, error: BaseException) -> Exception:
        """Each of a group gets an exception of its own: a shared one would collect everybody's traceback."""
        if not isinstance(error, Exception):
            return DatabaseUnavailable(f"{self._path}: shutting down")
        typed = self.translate(error)
        lost = type(typed)(*typed.args)
        lost.__cause__ = error
        return lost

    def translate(self, error: Exception) -> Exception:
        if isinstance(error, OSError):
            return DatabaseUnavailable(
                f"{self._path}: {error.strerror}. The folder must exist, and both must be writable for us"
            )
        if isinstance(error, sqlite3.ProgrammingError) and str(error).startswith(
            "Cannot operate on a closed"
        ):
            return self._connection_lost()
        code = getattr(error, "sqlite_errorcode", None)
        if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
            return UniqueViolation(str(error))
        if code is None or (code & 0xFF) not in _UNAVAILABLE:
            return error
        kind, advice = _UNAVAILABLE[code & 0xFF]
        return kind(f"{self._path}: {error}. {advice}")


def _make_private(path: str) -> None:
    """Ours alone; -wal and -shm inherit it. One that is there is not touched: to close it would end our locks on it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _begin_log(connection: sqlite3.Connection) -> str:
    """Return the journal mode. Where several begin at once SQLite does not wait by itself: it could be for ever."""
    for _ in range(BUSY_TIMEOUT_MS // BUSY_PAUSE_MS):
        try:
            return str(_fetch(connection, "PRAGMA journal_mode = WAL", ())[0]["journal_mode"])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(BUSY_PAUSE_MS / 1000)
    return str(_fetch(connection, "PRAGMA journal_mode = WAL", ())[0]["journal_mode"])


def _commit(writer: sqlite3.Connection) -> float:
    """Return how many seconds it took."""
    begun = time.monotonic()
    writer.execute("COMMIT")
    return time.monotonic() - begun


def _begin_once_free(writer: sqlite3.Connection) -> None:
    writer.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    try:
        writer.execute("BEGIN IMMEDIATE")
    finally:
        writer.execute(f"PRAGMA {NEVER_WAIT}")


def _fetch(connection: sqlite3.Connection, sql: str, args: Sequence[Value]) -> list[Row]:
    return cast(list[Row], connection.execute(for_sqlite(sql), args).fetchall())


_PERMIT = "The folder must exist, and it, the file and the disk must be writable for us"
_UNAVAILABLE: dict[int, tuple[type[DatabaseUnavailable], str]] = {
    sqlite3.SQLITE_FULL: (StorageFull, "Nothing of it is stored; make space on this disk"),
    sqlite3.SQLITE_BUSY: (DatabaseUnavailable, "Another process keeps writing to it; end that one"),
    sqlite3.SQLITE_READONLY: (DatabaseUnavailable, _PERMIT),
    sqlite3.SQLITE_CANTOPEN: (DatabaseUnavailable, _PERMIT),
    sqlite3.SQLITE_PERM: (DatabaseUnavailable, _PERMIT),
    sqlite3.SQLITE_IOERR: (DatabaseUnavailable, "The disk does not work; see the system's log"),
    sqlite3.SQLITE_CORRUPT: (DatabaseUnavailable, "The file is damaged; restore a backup"),
    sqlite3.SQLITE_NOTADB: (DatabaseUnavailable, "This is another kind of file; check the path"),
}
