"""All rows as they were at one moment, read while a bridge goes on writing. Holds nobody up."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from bridge.storage.database import DatabaseUnavailable, Value, sqlite_path
from bridge.storage.postgres import CONNECT_SECONDS

AT_ONCE = 100
"""Rows: one may hold 64 MiB."""


class Snapshot(Protocol):
    async def tables(self) -> set[str]:
        """Whatever tables there are."""
        ...

    def rows(self, table: str) -> AsyncIterator[tuple[list[str], list[Value]]]:
        """Columns and values."""
        ...


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Snapshot]:
    """Raises `DatabaseUnavailable`."""
    path = sqlite_path(url)
    if path is not None:
        try:
            with closing(_connected(path)) as connection:
                yield _Sqlite(connection)
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"{path}: {error}") from error
        return
    try:
        postgres = await asyncpg.connect(
            url, timeout=CONNECT_SECONDS, server_settings={"application_name": "festimo-backup"}
        )
        try:
            async with postgres.transaction(isolation="repeatable_read", readonly=True):
                yield _Postgres(postgres)
        finally:
            await postgres.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(
            f"PostgreSQL: {type(error).__name__}. Check that the server runs"
        ) from error


def _connected(path: str) -> sqlite3.Connection:
    if not Path(path).exists():  # else SQLite would make one
        raise DatabaseUnavailable(f"{path}: there is no such file")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("BEGIN")  # what the first read sees, all of them see
    return connection


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def tables(self) -> set[str]:
        return {
            row[0] for row in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }

    async def rows(self, table: str) -> AsyncIterator[tuple[list[str], list[Value]]]:
        cursor = self._connection.execute(f"SELECT * FROM {table}")
        columns = [column[0] for column in cursor.description]
        for row in cursor:
            yield columns, list(row)


class _Postgres:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def tables(self) -> set[str]:
        rows = await self._connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        )
        return {row["tablename"] for row in rows}

    async def rows(self, table: str) -> AsyncIterator[tuple[list[str], list[Value]]]:
        statement = await self._connection.prepare(f"SELECT * FROM {table}")
        columns = [attribute.name for attribute in statement.get_attributes()]
        async for row in statement.cursor(prefetch=AT_ONCE):
            yield columns, list(row)
