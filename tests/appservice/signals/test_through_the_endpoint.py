"""Signals come with events, and hold up none."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from bridge.storage.database import Database
from tests.appservice.delivering import Delivering, delivering, event
from tests.appservice.signals.town import ANNA, Town, typing
from tests.databases import both_databases


def flood() -> list[dict[str, Any]]:
    return [typing(f"@{number}:example.org", room=f"!{number % 7}:example.org") for number in range(100)]


async def test_signals_come_with_events_and_are_not_stored(
    town: Town, aiohttp_client: AiohttpClient, database: Database
) -> None:
    async with listening(aiohttp_client, database, town.inbound.offer) as homeserver:
        body = {"events": [event("$1")], "ephemeral": [typing(ANNA)]}
        assert await homeserver.put(json.dumps(body).encode()) == 200
        assert await homeserver.waiting() == ["matrix:$1"]
    assert await town.typists() == ["anna"]


@both_databases
async def test_a_flood_of_signals_waits_for_no_database_and_holds_up_no_message(
    town: Town, aiohttp_client: AiohttpClient, database: Database
) -> None:
    """Nobody works the signals off meanwhile: they are noted, and no more."""
    async with listening(aiohttp_client, database, town.inbound.offer) as homeserver:
        async with database.transaction() as tx:  # SQLite: nobody else can write now
            await tx.lock("inbox")
            for number in range(50):
                body = {"events": [], "ephemeral": flood()}
                assert await homeserver.put(json.dumps(body).encode(), txn_id=str(number)) == 200
        assert await homeserver.rows() == []
        body = {"events": [event("$1")], "ephemeral": flood()}
        assert await homeserver.put(json.dumps(body).encode(), txn_id="50") == 200
        assert await homeserver.waiting() == ["matrix:$1"]
    assert len(town.inbound._typing) == 7  # the last of each room


async def test_a_mistake_in_signals_stops_no_messages(
    aiohttp_client: AiohttpClient, database: Database
) -> None:
    def fails(_: object) -> None:
        raise KeyError("a mistake")

    async with listening(aiohttp_client, database, fails) as homeserver:
        body = {"events": [event("$1")], "ephemeral": [typing(ANNA)]}
        assert await homeserver.put(json.dumps(body).encode()) == 200
        assert await homeserver.waiting() == ["matrix:$1"]


@pytest.mark.parametrize("ephemeral", [None, 5, {}, "x", [None], [[[]]], [{"type": "m.receipt"}]])
async def test_whatever_stands_for_signals_the_events_are_taken(
    town: Town, aiohttp_client: AiohttpClient, database: Database, ephemeral: object
) -> None:
    async with listening(aiohttp_client, database, town.inbound.offer) as homeserver:
        body = {"events": [event("$1")], "ephemeral": ephemeral}
        assert await homeserver.put(json.dumps(body).encode()) == 200
        assert [row["state"] for row in await homeserver.rows()] == ["waiting"]


@asynccontextmanager
async def listening(
    aiohttp_client: AiohttpClient, database: Database, listen: Callable[[Any], None]
) -> AsyncIterator[Delivering]:
    async with delivering(aiohttp_client, database, on_ephemeral=listen) as homeserver:
        yield homeserver
