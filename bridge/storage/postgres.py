"""PostgreSQL through asyncpg: a pool for transactions, and one for reads.

Two pools: with one, transactions that also read outside themselves could hold every connection, each
waiting for one more.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from bridge.storage.database import (
    Database,
    DatabaseUnavailable,
    Row,
    StorageFull,
    Transaction,
    TransactionBroken,
    TransactionConflict,
    UniqueViolation,
    Value,
    outlast,
    translated,
)

WRITERS = 10
READERS = 5
CONNECT_SECONDS = 10
COMMAND_SECONDS = 10
"""For a statement's answer. A server that gives none is taken for dead: whoever waits is told, and looks again."""
TURN_SECONDS = 20
"""For a connection of the pool."""
CLOSE_SECONDS = 10

KEEPALIVES = {"tcp_keepalives_idle": "3", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}
"""In s: the server ends the sessions, and with them the locks, of a machine that is gone."""
LIMITS = {
    # Where our own limit does not reach the server, it goes by this one.
    "statement_timeout": f"{COMMAND_SECONDS + 5}s",
    # No transaction waits for anything but the database: this one's process has been frozen.
    "idle_in_transaction_session_timeout": "8s",
    **KEEPALIVES,
}

COMMIT = "COMMIT"
COMMIT_SOON = "SET LOCAL synchronous_commit TO off; COMMIT"

_GONE = r"is clos(ed|ing)|released back to the pool"

_CONFLICTS = (asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError)
_UNAVAILABLE = (
    OSError,  # TimeoutError is one
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # between the server's last words and the end of the connection
    asyncpg.InsufficientResourcesError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.DatabaseDroppedError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


def lock_number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


class PostgresTransaction(Transaction):
    def __init__(self, database: "PostgresDatabase", connection: Any) -> None:
        super().__init__(database.translate)
        self._database = database
        self._connection = connection

    async def execute(self, sql: str, *args: Value) -> int:
        with self.statement:
            status: str = await self._connection.execute(sql, *args)
            count = status.rpartition(" ")[2]
            return int(count) if count.isdigit() else 0

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        with self.statement:
            await self._connection.executemany(sql, rows)

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        with self.statement:
            rows: list[Row] = await self._connection.fetch(sql, *args)
            return rows

    async def lock(self, *names: str) -> None:
        locks = ", ".join(f"pg_advisory_xact_lock(${number})" for number in range(1, len(names) + 1))
        await self.execute(f"SELECT {locks}", *map(lock_number, names))

    def end(self, *, commit: bool) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._commit() if commit else self._database.give_up(self._connection))

    async def _commit(self) -> None:
        try:
            with translated(self._translate):
                status = await self._connection.execute(COMMIT_SOON if self.may_be_lost else COMMIT)
            if status != COMMIT:  # PostgreSQL calls it a success to roll a broken transaction back
                raise TransactionBroken(f"the server answered {status} to COMMIT")
        except BaseException:
            await self._database.give_up(self._connection)
            raise
        self.committed()
        self._database.keep(self._connection)


class _Connections:
    """Of one pool, held from use to use: to take and give back each time costs as much as a statement.

    Only what went well is held. Whatever was cancelled or failed goes back to the pool, which knows what to do.
    """

    def __init__(self, pool: Any, size: int) -> None:
        self.pool = pool
        self._turns = asyncio.Semaphore(size)
        self._held: list[Any] = []

    async def take(self) -> Any:
        if self._turns.locked():
            async with asyncio.timeout(TURN_SECONDS):
                await self._turns.acquire()
        else:
            await self._turns.acquire()
        try:
            while self._held:
                connection = self._held.pop()
                if not connection.is_closed():
                    return connection
                await self.pool.release(connection)
            return await self.pool.acquire(timeout=TURN_SECONDS)
        except BaseException:
            self._turns.release()
            raise

    def keep(self, connection: Any) -> None:
        self._held.append(connection)
        self._turns.release()

    async def give_back(self, connection: Any) -> None:
        try:
            await self.pool.release(connection)
        finally:
            self._turns.release()

    async def close(self) -> None:
        async def end() -> None:
            while self._held:
                await self.pool.release(self._held.pop())
            await self.pool.close()

        try:
            await asyncio.wait_for(end(), CLOSE_SECONDS)
        except TimeoutError:
            self.pool.terminate()


class PostgresDatabase(Database):
    def __init__(self, url: str, *, patient: bool) -> None:
        super().__init__()
        address = urlsplit(url)  # of which no password may reach a message
        self._name = f"PostgreSQL at {address.hostname or 'the local socket'}{address.path}"
        read_only = {"default_transaction_read_only": "on"}
        self._writers = _Connections(self._pool(url, WRITERS, patient=patient), WRITERS)
        self._readers = _Connections(self._pool(url, READERS, patient=patient, **read_only), READERS)

    @classmethod
    async def open(cls, url: str, *, patient: bool = False) -> "PostgresDatabase":
        """`patient`: without time-outs of statements, for migrations: a large table takes as long as it takes."""
        try:
            database = cls(url, patient=patient)
        except ValueError as error:
            raise DatabaseUnavailable(f"the database url is not understood: {error}") from error
        try:
            with translated(database.translate):
                await database._writers.pool
                await database._readers.pool
        except BaseException:
            for connections in (database._writers, database._readers):
                with suppress(asyncpg.InterfaceError):  # never connected
                    connections.pool.terminate()
            raise
        return database

    @staticmethod
    def _pool(url: str, size: int, *, patient: bool, **settings: str) -> Any:
        limits = KEEPALIVES if patient else LIMITS
        return asyncpg.create_pool(
            url,
            min_size=0,
            max_size=size,
            timeout=CONNECT_SECONDS,
            command_timeout=None if patient else COMMAND_SECONDS,
            reset=_nothing_to_reset,
            server_settings={"application_name": "festimo-bridge", **limits, **settings},
        )

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        with translated(self.translate):
            connection = await self._readers.take()
            try:
                rows: list[Row] = await connection.fetch(sql, *args)
            except BaseException:
                await outlast(asyncio.ensure_future(self._readers.give_back(connection)))
                raise
            self._readers.keep(connection)
            return rows

    async def close(self) -> None:
        await self._writers.close()
        await self._readers.close()

    async def _begin(self) -> PostgresTransaction:
        with translated(self.translate):
            connection = await self._writers.take()
            try:
                await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            except BaseException:
                await outlast(asyncio.ensure_future(self.give_up(connection)))
                raise
        return PostgresTransaction(self, connection)

    def keep(self, connection: Any) -> None:
        self._writers.keep(connection)

    async def give_up(self, connection: Any) -> None:
        """Out of any transaction: by ROLLBACK, which waits for a cancelled statement to end, else by hanging up."""
        try:
            await connection.execute("ROLLBACK")
        except Exception:
            with suppress(asyncpg.InterfaceError):  # gone already
                connection.terminate()
        finally:
            await self._writers.give_back(connection)

    def translate(self, error: Exception) -> Exception:
        if isinstance(error, asyncpg.UniqueViolationError):
            return UniqueViolation(str(error))
        if isinstance(error, _CONFLICTS):
            return TransactionConflict(str(error))
        if isinstance(error, asyncpg.DiskFullError):
            return StorageFull(f"{self._name}: {error}. Nothing is stored; make space on its disk")
        if isinstance(error, _UNAVAILABLE) or _connection_is_gone(error):
            return DatabaseUnavailable(
                f"{self._name}: {str(error) or type(error).__name__}. "
                "Check that the server runs, that it takes writes, and the database url"
            )
        return error


async def _nothing_to_reset(_connection: Any) -> None:
    """We leave no session state behind; asyncpg's own reset would cost a round trip per transaction."""


def _connection_is_gone(error: Exception) -> bool:
    """asyncpg has one class for this and for misuse. A connection that breaks leaves its pool at once."""
    return isinstance(error, asyncpg.InterfaceError) and re.search(_GONE, str(error)) is not None
