"""Which tables are ours, read from the migrations: a database may hold those of other programs, too."""

import re
from collections.abc import Iterable

from bridge.storage.migrate import Migration

NOT_KEPT = ("leader",)
"""About the processes that work on this very database."""
_CREATE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.IGNORECASE)
_RENAME = re.compile(r"ALTER TABLE (\w+) RENAME TO (\w+)", re.IGNORECASE)
_DROP = re.compile(r"DROP TABLE (?:IF EXISTS )?(\w+)", re.IGNORECASE)
_COUNTED = re.compile(r"(\w+)\s+BIGSERIAL\b", re.IGNORECASE)


def tables(migrations: Iterable[Migration]) -> list[str]:
    """In the order in which they were made: whoever refers to another comes after it."""
    return list(_made(migrations))


def counted(migrations: Iterable[Migration]) -> list[tuple[str, str]]:
    """Table and column of every number that the database counts up by itself."""
    return [
        (table, found[1])
        for table, statement in _made(migrations).items()
        if (found := _COUNTED.search(statement)) is not None
    ]


def _made(migrations: Iterable[Migration]) -> dict[str, str]:
    """The tables there are in the end, each with the statement that made it."""
    made: dict[str, str] = {}
    for migration in migrations:
        for statement in migration.statements:
            if match := _CREATE.match(statement):
                made[match[1]] = statement
            elif match := _RENAME.match(statement):
                made[match[2]] = made.pop(match[1])
            elif match := _DROP.match(statement):
                made.pop(match[1], None)
    return made
