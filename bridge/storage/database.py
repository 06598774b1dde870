"""The database as the features see it: transactions, reads, and what can go wrong. Knows no feature.

One SQL text serves both: `$1` placeholders, times as epoch milliseconds, `ON CONFLICT`, `RETURNING`.
Where SQLite needs other words, `bridge.storage.sqlite.for_sqlite` says so, and nobody else.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import copy_context
from functools import partial
from importlib.resources.abc import Traversable
from typing import Any, Protocol

import structlog

from bridge.core.clock import Clock, SystemClock

Value = str | int | float | bytes | None

_log = structlog.get_logger(__name__)


class Row(Protocol):
    def __getitem__(self, key: str, /) -> Any: ...


class DatabaseError(Exception):
    """Anything typed below. Mistakes in SQL come as the driver's own errors."""


class DatabaseUnavailable(DatabaseError):
    """Not reachable, not writable, locked, broken or closed; may pass by itself.

    Nothing is stored, unless PostgreSQL went away during the COMMIT itself: then nobody knows, so look again.
    """


class StorageFull(DatabaseUnavailable):
    """No space left. Nothing of the transaction is stored; works again once there is space."""


class DatabaseTooNew(DatabaseError):
    """A newer release has migrated this database."""


class UniqueViolation(DatabaseError):
    """A row with this key exists already."""


class TransactionConflict(DatabaseError):
    """Ran into another transaction (deadlock, serialization). Rolled back; the caller runs it again."""


class TransactionBroken(DatabaseError):
    """A statement failed before, and the transaction was used or left as if it had not. Rolled back."""


@contextmanager
def translated(translate: Callable[[Exception], Exception]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        typed = translate(error)
        if typed is error:
            raise
        raise typed from error


async def outlast(work: asyncio.Future[None]) -> None:
    """Wait to the very end of `work`, cancelled or not; a cancellation is passed on afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            if not work.cancelled():
                cancelled = error
        except Exception:  # noqa: S110 - it is in `work`
            pass
    failure = None if work.cancelled() else work.exception()
    if cancelled is not None:
        raise cancelled from failure
    work.result()


class Reader(ABC):
    @abstractmethod
    async def fetch(self, sql: str, *args: Value) -> list[Row]: ...

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        rows = await self.fetch(sql, *args)
        return rows[0] if rows else None

    async def fetch_value(self, sql: str, *args: Value) -> Any:
        """The first column of the first row; None without rows."""
        rows: list[Any] = await self.fetch(sql, *args)
        return rows[0][0] if rows else None


class _Statement:
    """Around each statement of a transaction. No generator: that would take longer than many a statement."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: "Transaction") -> None:
        self._transaction = transaction

    def __enter__(self) -> None:
        self._transaction.enter_statement()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._transaction.leave_statement(error)


class Transaction(Reader):
    """All or nothing. After a failed statement it can only be left: as on PostgreSQL, so on SQLite."""

    def __init__(self, translate: Callable[[Exception], Exception]) -> None:
        self._translate = translate
        self._callbacks: list[Callable[[], None]] = []
        self._running = False
        self.statement = _Statement(self)
        self.failure: BaseException | None = None
        self.ended = False
        self.may_be_lost = False
        """Set it where a power cut may undo this after its commit: whoever finds the older state does the same again,
        to the same effect. Saves PostgreSQL's wait for the disk."""

    @abstractmethod
    async def execute(self, sql: str, *args: Value) -> int:
        """Rows affected."""

    @abstractmethod
    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None: ...

    @abstractmethod
    async def lock(self, *names: str) -> None:
        """Until the transaction ends, nobody else, in whatever process, holds the locks of these names."""

    @abstractmethod
    def end(self, *, commit: bool) -> asyncio.Future[None]:
        """Begin to end; done once settled. Only `Database.transaction` calls this."""

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Runs exactly once if this commits, even when its task is cancelled meanwhile; else never."""
        self.check()
        self._callbacks.append(partial(copy_context().run, callback))

    def check(self) -> None:
        if self.ended:
            raise RuntimeError("this transaction has ended: use it inside its `async with` only")
        if self.failure is not None:
            raise TransactionBroken(
                "a statement of this transaction failed or was cancelled, so all of it is rolled back; "
                "let the error leave the `async with` and run the transaction again"
            ) from self.failure

    def enter_statement(self) -> None:
        self.check()
        if self._running:  # on SQLite the second could run outside, after the first has ended the transaction
            raise RuntimeError("one statement at a time: a transaction belongs to one task")
        self._running = True

    def leave_statement(self, error: BaseException | None) -> None:
        """Nothing but leave is possible after an error."""
        self._running = False
        if error is None:
            return
        self.failure = self._translate(error) if isinstance(error, Exception) else error
        if self.failure is not error:
            raise self.failure from error

    def committed(self) -> None:
        for callback in self._callbacks:
            try:
                callback()
            except Exception:
                _log.exception("after_commit_failed")


class Database(Reader):
    """Reads here are outside a transaction, on connections of their own, and cannot write."""

    def __init__(self) -> None:
        self._inside: set[asyncio.Task[Any]] = set()

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Leaving it normally commits; an exception, a cancellation included, rolls back. Settled once left.

        Raises `DatabaseUnavailable` (`StorageFull`), `UniqueViolation`, `TransactionConflict` and
        `TransactionBroken`. Do not wait inside for the network, nor for another task's transaction.
        """
        return _Around(self)

    async def enter(self, task: asyncio.Task[Any] | None) -> Transaction:
        """Only `transaction` calls this."""
        if task is None or task in self._inside:
            raise RuntimeError("transactions do not nest: hand the open one on")
        self._inside.add(task)
        try:
            return await self._begin()
        except BaseException:
            self._inside.discard(task)
            raise

    async def leave(
        self, task: asyncio.Task[Any] | None, transaction: Transaction, error: BaseException | None
    ) -> None:
        """Only `transaction` calls this."""
        try:
            if error is None:
                try:
                    transaction.check()
                except BaseException:
                    await self._end(transaction, commit=False)
                    raise
            await self._end(transaction, commit=error is None)
        finally:
            if task is not None:
                self._inside.discard(task)

    @staticmethod
    async def _end(transaction: Transaction, *, commit: bool) -> None:
        transaction.ended = True
        await outlast(transaction.end(commit=commit))

    @abstractmethod
    async def _begin(self) -> Transaction: ...

    @abstractmethod
    async def close(self) -> None:
        """After the transactions under way. Afterwards everything raises `DatabaseUnavailable`."""


class _Around(AbstractAsyncContextManager[Transaction]):
    """Around each transaction. No generator, as for statements."""

    __slots__ = ("_database", "_task", "_transaction")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task = asyncio.current_task()
        self._transaction: Transaction | None = None

    async def __aenter__(self) -> Transaction:
        self._transaction = await self._database.enter(self._task)
        return self._transaction

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        assert self._transaction is not None, "it was entered"
        await self._database.leave(self._task, self._transaction, error)


async def open_database(
    url: str, *, clock: Clock | None = None, migrations: Traversable | None = None
) -> Database:
    """Connected, known to be writable, migrated.

    `url`: `sqlite:////abs/path.db`, `sqlite:///relative.db` or `postgresql://user:password@host/name`.
    Raises `DatabaseUnavailable` and `DatabaseTooNew`.
    """
    from bridge.storage.migrate import SHIPPED, migrate
    from bridge.storage.postgres import PostgresDatabase

    database = await connect(url, patient=True)
    try:
        await migrate(database, clock=clock or SystemClock(), folder=migrations or SHIPPED)
    except BaseException:
        await database.close()
        raise
    if isinstance(database, PostgresDatabase):
        await database.close()
        return await connect(url)
    return database


async def connect(url: str, *, patient: bool = False) -> Database:
    """As it is, without migrating it. `patient`: statements may take as long as they take."""
    from bridge.storage.postgres import PostgresDatabase
    from bridge.storage.sqlite import SqliteDatabase

    path = sqlite_path(url)
    if path is not None:
        return await SqliteDatabase.open(path)
    if url.startswith(("postgresql://", "postgres://")):
        return await PostgresDatabase.open(url, patient=patient)
    raise DatabaseUnavailable(
        "the database url is not understood: write sqlite:////absolute/path.db, sqlite:///relative.db "
        "or postgresql://user:password@host:5432/name"
    )


def sqlite_path(url: str) -> str | None:
    """The file, where the url names one."""
    scheme, _, rest = url.partition("://")
    return rest[1:] if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1 else None
