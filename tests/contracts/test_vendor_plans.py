"""What is shown of vendors is read from indexes, however many of them and of their messages there are."""

import re
import sqlite3

import pytest

from bridge.core.clock import FrozenClock
from bridge.core.ids import ParticipantId, PartyId, TenantId
from bridge.sockets import store as sockets
from bridge.statistics import answers
from bridge.storage.database import Reader, Row, Value
from bridge.storage.sealing import Sealer
from bridge.vendors import rating_store
from bridge.vendors.store import Filter, VendorStore
from tests.contracts.test_query_plans import connection, plan

__all__ = ["connection"]


class Recorder(Reader):
    """Takes down what is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        self.asked.append(sql)
        return []


@pytest.mark.parametrize(
    ("sql", "index"),
    [(answers._AVERAGES, "vendor_answers_of"), (rating_store._STARS, "vendor_ratings_of")],
)
def test_the_figures_that_lists_of_vendors_show_are_read_from_an_index_alone(
    connection: sqlite3.Connection, sql: str, index: str
) -> None:
    steps = plan(connection, sql)
    assert any(f"USING COVERING INDEX {index} (tenant_id=? AND vendor_id=?" in step for step in steps), steps


def test_an_answer_is_noted_by_what_stands_between_it_and_the_one_before(
    connection: sqlite3.Connection,
) -> None:
    """However long the conversation is: a few messages, found by their places."""
    steps = [step for sql in (answers.ADD, answers.SELECT_AFTER) for step in plan(connection, sql)]
    looked_at = [step for step in steps if re.match(r"SEARCH [uv] ", step)]
    assert len(looked_at) == 3, steps  # who asked since the answer before; the answer after
    assert all("(conversation_id=? AND position" in step for step in looked_at), looked_at
    assert not any("TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize("known_to", [None, ParticipantId("anna")])
@pytest.mark.parametrize("party_id", [None, PartyId("p1")])
async def test_a_page_of_vendors_is_read_in_order(
    connection: sqlite3.Connection, known_to: ParticipantId | None, party_id: PartyId | None
) -> None:
    recorder, clock = Recorder(), FrozenClock()
    store = VendorStore(Sealer(bytes(32), clock), clock)
    wanted = Filter(vendor_type="caterer", party_id=party_id, known_to=known_to)
    await store.newest(recorder, TenantId("t"), wanted, before=(1, "v"), limit=20)
    (sql,) = recorder.asked
    steps = plan(connection, sql)
    assert not any(step.startswith("SCAN") for step in steps), steps
    if known_to is None and party_id is None:
        assert not any("TEMP B-TREE FOR ORDER BY" in step for step in steps), steps


@pytest.mark.parametrize(
    "sql",
    [
        sockets.MEETINGS,
        sockets.TO_VENDOR,
        sockets.TO_VENDORS_OF_PARTY,
        sockets.TO_VENDORS_OF_USER,
        sockets.TO_VENDORS_MET_IN_PARTY,
    ],
)
def test_what_sockets_tell_of_vendors_is_found_by_whom_it_concerns(
    connection: sqlite3.Connection, sql: str
) -> None:
    """Never by looking through all of a tenant, or all that happened."""
    steps = plan(connection, sql)
    assert not any(step.startswith("SCAN") or "(tenant_id=?)" in step for step in steps), steps
    assert not any(re.match(r"SEARCH f .*(tenant|order)", step) for step in steps), steps
