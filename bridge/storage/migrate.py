"""Numbered `NNNN_name.sql` files, each applied once, in one transaction with the row that says so."""

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from bridge.core.clock import Clock
from bridge.storage.database import Database, DatabaseTooNew

SHIPPED = files("bridge.storage") / "migrations"
LOCK = "schema_migrations"
TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL
)
"""
APPLIED = "SELECT version FROM schema_migrations"
IS_APPLIED = "SELECT 1 FROM schema_migrations WHERE version = $1"
RECORD = "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)"

_FILE = re.compile(r"(\d{4})_\w+\.sql")
_COMMENT_LINE = re.compile(r"^\s*--.*$", re.MULTILINE)
_END_OF_STATEMENT = re.compile(r";[ \t]*(?:--.*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    statements: tuple[str, ...]


async def migrate(database: Database, *, clock: Clock, folder: Traversable) -> None:
    """Safe in several processes at once. Raises `DatabaseTooNew`; `DatabaseUnavailable` when read-only."""
    migrations = read(folder)
    async with database.transaction() as transaction:
        await transaction.lock(LOCK)
        await transaction.execute(TABLE)
        applied = {row["version"] for row in await transaction.fetch(APPLIED)}
    newest = max((migration.version for migration in migrations), default=0)
    if max(applied, default=0) > newest:
        raise DatabaseTooNew(
            f"the database is at version {max(applied)}, this release knows versions up to {newest}: "
            "a newer release has used it. Run that release, or restore the backup from before the upgrade"
        )
    for migration in migrations:
        if migration.version not in applied:
            await _apply(database, migration, now=clock.now())


async def _apply(database: Database, migration: Migration, *, now: int) -> None:
    try:
        async with database.transaction() as transaction:
            await transaction.lock(LOCK)
            if await transaction.fetch_value(IS_APPLIED, migration.version) is not None:
                return  # another process was faster
            for statement in migration.statements:
                await transaction.execute(statement)
            await transaction.execute(RECORD, migration.version, migration.name, now)
    except Exception as error:
        error.add_note(f"while applying the migration {migration.name}")
        raise


def read(folder: Traversable) -> list[Migration]:
    migrations: dict[int, Migration] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        match = _FILE.fullmatch(file.name)
        if match is None or int(match[1]) in migrations:
            raise ValueError(f"{file.name}: migrations are named NNNN_name.sql, each number once")
        statements = split(file.read_text(encoding="utf-8"))
        migrations[int(match[1])] = Migration(int(match[1]), file.name, statements)
    return list(migrations.values())


def split(text: str) -> tuple[str, ...]:
    """Plain statements only: one ends at a `;` that closes its line."""
    pieces = _END_OF_STATEMENT.split(_COMMENT_LINE.sub("", text))
    return tuple(piece.strip() for piece in pieces if piece.strip())
