"""What is next for a webhook is found by an index, however much waits."""

import sqlite3

import pytest

from bridge.webhooks import delivery_store as store
from tests.contracts.test_query_plans import connection, plan

__all__ = ["connection"]


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (store.SELECT_DUE, "due (endpoint_id=? AND not_before<?)"),
        (store.SELECT_FIRST_DUE, "due (endpoint_id=?)"),
        (store.INSERT, "heads (endpoint_id=? AND lane=?)"),
        (store.PROMOTE, "behind (endpoint_id=? AND lane=?)"),
        (store.REPLAY, "heads (endpoint_id=? AND lane=?)"),
        (store.SELECT_DEAD, "dead (endpoint_id=? AND state=? AND seq>?)"),
        (store.SELECT_NEWEST, "of (endpoint_id=? AND seq<?)"),
        (store.SELECT, "once (endpoint_id=? AND event_id=?)"),
        (store.FORGET, "old (state=? AND finished_at<?)"),
    ],
)
def test_it_is_found_by_its_index(connection: sqlite3.Connection, sql: str, index: str) -> None:
    steps = plan(connection, sql)
    assert any(f"INDEX webhook_deliveries_{index}" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
