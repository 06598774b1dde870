"""No statement looks through a table that grows with conversations or messages, unless it is meant to.

SQLite tells its plans before it runs anything. The indexes are the same on PostgreSQL.
"""

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import appservice
import bridge
from bridge.storage.database import open_database
from bridge.storage.sqlite import for_sqlite

STATEMENT = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b")
SCAN = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
SMALL = {
    "api_keys",
    "schema_migrations",
    "generations",
    "sent_before",
    "olm_repairs",
    "to_device",
    "backed_up",
    "few",
}
"""Tables, and names of subqueries, with a few rows."""
MEANT = {
    "bridge.checkup.backlog.COUNT": "festimo doctor, once",
    "bridge.storage.sealing.SELECT_ANY": "one row",
    "appservice.outbound.sent_before.SELECT_WAITING": "after a restored copy",
    "appservice.members.MARK_ALL_STALE": "at start",
    "appservice.encryption.own_devices.DOUBT_ALL": "at start",
    "appservice.encryption.outbound_sessions.RETIRE_ALL": "at start",
    "appservice.encryption.device_lists.MARK_UNKNOWN_STALE": "at start",
    "appservice.encryption.device_lists.MARK_ALL_STALE": "at the first start, and with a new device",
    "appservice.encryption.inbound_sessions.COUNT_BACKED_UP": "at start",
    "appservice.encryption.inbound_sessions.SET_NONE_BACKED_UP": "with a new backup",
}
"""Statement -> why it may take longer the more there is."""


def statements() -> Iterator[tuple[str, str]]:
    for package in (appservice, bridge):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__") or ".backup" in module.name or ".session_lock" in module.name:
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                # With an underscore they are parts of statements.
                if name.isupper() and name[0] != "_" and isinstance(value, str) and STATEMENT.match(value):
                    yield f"{module.name}.{name}", value


def plan(connection: sqlite3.Connection, sql: str) -> list[str]:
    whole = for_sqlite(re.sub(r"\{+(places|states)\}+", "$1", sql))
    numbers = [int(number) for number in re.findall(r"[?$](\d+)", whole)]
    values = {str(number): None for number in numbers}
    rows = connection.execute(f"EXPLAIN QUERY PLAN {whole}", values or ())
    return [row[3] for row in rows]


@pytest.fixture
async def connection(tmp_path: Path) -> sqlite3.Connection:
    await (await open_database(f"sqlite:///{tmp_path / 'bridge.db'}")).close()
    return sqlite3.connect(tmp_path / "bridge.db")


async def test_no_statement_takes_longer_the_more_conversations_there_are(
    connection: sqlite3.Connection,
) -> None:
    partial = {
        row[0]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%INDEX% WHERE %'")
    }
    slow = {}
    for name, sql in statements():
        if name in MEANT:
            continue
        scanned = [
            table
            for step in plan(connection, sql)
            for table, index in SCAN.findall(step)
            if table not in SMALL and table != "CONSTANT" and index not in partial
        ]
        if scanned:
            slow[name] = scanned
    connection.close()
    assert slow == {}
