"""What was told to be stored is stored, whoever is killed when."""

import asyncio
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import count

import pytest

from bridge.storage.database import DatabaseUnavailable
from tests.bridge.storage.notes import add_note, names, open_notes
from tests.servers.postgres import PostgresServer

ROUNDS = 3
SERVER_ROUNDS = 2  # PostgreSQL syncs all its files before it recovers


@pytest.fixture
def durable_server() -> Iterator[PostgresServer]:
    with PostgresServer(durable=True) as server:
        yield server


def printed_until_killed(url: str, prefix: str) -> set[str]:
    """What it claims to have stored, killed as it is in the midst of storing more."""
    program = [sys.executable, "-m", "tests.bridge.storage.insert_forever", url, prefix]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(random.randint(10, 400))]
        process.kill()
        lines += process.stdout.readlines()
    return {line.strip() for line in lines if line.endswith("\n")}


async def test_what_a_killed_process_told_is_there_after_it(empty_url: str) -> None:
    told: set[str] = set()
    for number in range(ROUNDS):
        told |= await asyncio.to_thread(printed_until_killed, empty_url, f"round {number}")
        database = await open_notes(empty_url)
        assert told <= await names(database)
        await add_note(database, f"after round {number}")
        await database.close()
    assert len(told) >= 10 * ROUNDS
    if empty_url.startswith("sqlite"):
        with closing(sqlite3.connect(empty_url.removeprefix("sqlite:///"))) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_what_a_killed_server_told_is_there_after_it_and_the_same_database_goes_on(
    durable_server: PostgresServer,
) -> None:
    database = await open_notes(durable_server.create_database("notes"))
    numbers = count()
    told: set[str] = set()
    enough = asyncio.Event()

    async def insert_until_it_fails(limit: int) -> None:
        for number in numbers:
            await add_note(database, f"{number}", told=partial(told.add, f"{number}"))
            if len(told) >= limit:
                enough.set()

    for number in range(SERVER_ROUNDS):
        enough.clear()
        limit = len(told) + random.randint(20, 200)
        tasks = [asyncio.create_task(insert_until_it_fails(limit)) for _ in range(10)]
        await enough.wait()
        await asyncio.to_thread(durable_server.kill)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for result in results if not isinstance(result, DatabaseUnavailable)] == []
        with pytest.raises(DatabaseUnavailable):
            await add_note(database, "while it is down")
        await asyncio.to_thread(durable_server.start)
        with suppress(DatabaseUnavailable):  # a reader's connection may be found dead only by using it
            await database.fetch("SELECT 1")
        assert told <= await names(database)
        await add_note(database, f"after round {number}")
    await database.close()
