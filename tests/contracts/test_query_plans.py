"""No statement looks through a table that grows with conversations or messages, unless it is meant to.

SQLite tells its plans before it runs anything. The indexes are the same on PostgreSQL.
"""

import re
import sqlite3
from collections.abc import Iterator

import pytest

from bridge.search.store import COUNT_OF_MEMBER, SELECT_OF_MEMBER, SELECT_TOLD
from bridge.signals.store import FIRST_IN_THREADS, UNREAD_OF, UNREAD_UP_TO
from bridge.storage.sqlite import for_sqlite
from tests.contracts.statements import filled_in, statements
from tests.databases import migrated

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
    "owed_keys",
    "webhook_endpoints",
}
"""Tables, and names of subqueries, with a few rows."""
MEANT = {
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


def plan(connection: sqlite3.Connection, sql: str) -> list[str]:
    whole = for_sqlite(filled_in(sql))
    numbers = [int(number) for number in re.findall(r"[?$](\d+)", whole)]
    values = {str(number): None for number in numbers}
    rows = connection.execute(f"EXPLAIN QUERY PLAN {whole}", values or ())
    return [row[3] for row in rows]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{migrated()}?immutable=1", uri=True)
    yield connection
    connection.close()


def test_no_statement_takes_longer_the_more_conversations_there_are(
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
    assert slow == {}


@pytest.mark.parametrize("sql", [COUNT_OF_MEMBER, SELECT_OF_MEMBER, SELECT_TOLD])
def test_what_a_person_looks_for_is_not_looked_for_among_what_everybody_has_said(
    connection: sqlite3.Connection, sql: str
) -> None:
    first, *_ = [step for step in plan(connection, sql) if step.startswith("SEARCH")]
    assert "SEARCH m " in first


@pytest.mark.parametrize("sql", [UNREAD_OF, UNREAD_UP_TO, FIRST_IN_THREADS])
def test_what_is_unread_is_counted_without_a_look_at_the_messages(
    connection: sqlite3.Connection, sql: str
) -> None:
    """Nor at those that have been read: of each conversation from there on."""
    looked_at = [step for step in plan(connection, sql) if step.startswith("SEARCH u ")]
    assert looked_at
    for step in looked_at:
        assert re.search(r"USING COVERING INDEX \w+ \(conversation_id=\? AND position>\?", step)
