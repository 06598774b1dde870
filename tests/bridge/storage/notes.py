"""What these tests store: a note has two pages, and never one."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from bridge.storage.database import Database, open_database

MIGRATIONS = Path(__file__).parent / "migrations"
PAGES = 2

INSERT_NOTE = "INSERT INTO notes (name, body) VALUES ($1, $2)"
INSERT_PAGE = "INSERT INTO pages (note, number) VALUES ($1, $2)"


async def open_notes(url: str) -> Database:
    return await open_database(url, migrations=MIGRATIONS)


async def add_note(
    database: Database, name: str, *, body: bytes = b"", told: Callable[[], None] = lambda: None
) -> None:
    async with database.transaction() as transaction:
        transaction.after_commit(told)
        await asyncio.sleep(
            0
        )  # statements of SQLite do not wait: others get their turn, and a cancellation its place
        await transaction.execute(INSERT_NOTE, name, body)
        await asyncio.sleep(0)
        await transaction.execute_many(INSERT_PAGE, [(name, number) for number in range(1, PAGES)])
        await asyncio.sleep(0)
        await transaction.fetch("SELECT name FROM notes WHERE name = $1 FOR UPDATE", name)
        await asyncio.sleep(0)
        await transaction.execute(INSERT_PAGE, name, PAGES)
        await asyncio.sleep(0)


async def names(database: Database) -> set[str]:
    """Of the notes that are stored; fails when one is half stored."""
    rows = await database.fetch(
        "SELECT notes.name, COUNT(pages.number) AS pages FROM notes"
        " LEFT JOIN pages ON pages.note = notes.name GROUP BY notes.name"
    )
    assert {row["pages"] for row in rows} <= {PAGES}, "a note is half stored"
    return {row["name"] for row in rows}
