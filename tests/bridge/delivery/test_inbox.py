"""What came in is kept once, for ever by its id, and unreadable to whoever reads the disk."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.core.clock import FrozenClock
from bridge.delivery.inbox import Accepted
from bridge.storage.database import Database
from tests.bridge.delivery.desk import TENANT, TOPIC, Desk
from tests.databases import one_database
from tests.servers.postgres import PostgresServer


async def insert(desk: Desk, item_id: str, body: bytes) -> Accepted:
    async with desk.database.transaction() as tx:
        return await desk.insert(tx, item_id, body=body)


async def test_the_same_id_again_is_a_duplicate_and_with_another_body_a_conflict(desk: Desk) -> None:
    assert await insert(desk, "a", b"one") is Accepted.NEW
    assert await insert(desk, "a", b"one") is Accepted.DUPLICATE
    assert await insert(desk, "a", b"two") is Accepted.CONFLICT
    head = await desk.inbox.head("lane")
    assert head is not None
    assert head.body == b"one"
    assert len(await desk.states()) == 1


async def test_an_id_is_remembered_when_its_body_is_long_forgotten(desk: Desk) -> None:
    await insert(desk, "a", b"one")
    async with desk.worked_off():
        await desk.next_done()
    assert (await desk.row("a"))["body"] is None
    assert await insert(desk, "a", b"one") is Accepted.DUPLICATE
    assert await insert(desk, "a", b"two") is Accepted.CONFLICT
    assert await desk.inbox.lanes() == []


async def test_of_many_who_bring_the_same_item_one_is_new(desk: Desk) -> None:
    results = await asyncio.gather(*(insert(desk, "a", b"one") for _ in range(8)))
    assert sorted(result.value for result in results) == ["duplicate"] * 7 + ["new"]


async def test_what_nothing_can_be_done_with_is_kept_for_a_person_and_never_tried(desk: Desk) -> None:
    async with desk.worked_off() as dispatcher:
        async with desk.database.transaction() as tx:
            accepted = await desk.inbox.add_dead(
                tx, item_id="a", tenant_id=TENANT, lane="lane", topic=TOPIC, body=b"{", failure="no JSON"
            )
        await desk.add("b")
        assert await desk.next_done() == "b"
        await dispatcher.idle()
    row = await desk.row("a")
    assert (accepted, row["state"], row["failure"]) == (Accepted.NEW, "dead", "no JSON")


async def test_somebody_is_woken_by_the_commit_and_by_nothing_else(desk: Desk) -> None:
    woken: list[str] = []
    desk.inbox.on_work(woken.append)
    with suppress(LookupError):
        async with desk.database.transaction() as tx:
            await desk.insert(tx, "undone", lane="x")
            raise LookupError
    async with desk.database.transaction() as tx:
        await desk.insert(tx, "a", lane="one")
        await desk.insert(tx, "b", lane="two")
        assert woken == []
    assert woken == ["one", "two"]
    assert sorted(await desk.inbox.lanes()) == ["one", "two"]


async def test_times_are_those_of_the_clock(database: Database) -> None:
    clock = FrozenClock(1_750_000_000_000)
    desk = Desk(database, clock)
    await desk.add("a")
    clock.advance(5)
    async with desk.worked_off():
        await desk.next_done()
    row = await desk.row("a")
    assert (row["created_at"], row["finished_at"]) == (1_750_000_000_000, 1_750_000_000_005)


CANARY = b"canary-9f2c-the-text-of-a-message"
VISIBLE = "lane-3b7e-which-is-no-secret"


@one_database
async def test_a_body_is_in_no_file_of_sqlite(desk: Desk, database_url: str) -> None:
    await keep_canaries(desk)
    folder = Path(database_url.removeprefix("sqlite:///")).parent
    assert files_with(VISIBLE.encode(), folder), "the search finds nothing at all"
    assert not files_with(CANARY, folder)


@pytest.mark.databases("postgres")
async def test_a_body_is_in_no_file_of_postgresql(desk: Desk, postgres_server: PostgresServer) -> None:
    await keep_canaries(desk)
    postgres_server.sql("CHECKPOINT")
    assert files_with(VISIBLE.encode(), postgres_server.folder), "the search finds nothing at all"
    assert not files_with(CANARY, postgres_server.folder)


def files_with(text: bytes, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


async def keep_canaries(desk: Desk) -> None:
    async with desk.database.transaction() as tx:
        await desk.insert(tx, "waiting", lane=VISIBLE, body=CANARY)
        await desk.inbox.add_dead(
            tx, item_id="dead", tenant_id=TENANT, lane=VISIBLE, topic=TOPIC, body=CANARY, failure="no event"
        )
