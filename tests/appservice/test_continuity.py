"""Whenever something may be missing before what was delivered, the bridge doubts, and only then."""

import asyncio

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from appservice.continuity import Continuity
from bridge.storage.database import Database
from tests.appservice.delivering import ROOM, TOKEN, Delivering, delivering, event
from tests.appservice.test_transactions import Full, Held

LANE = f"room:{ROOM}"


def sure(*txn_ids: str) -> Continuity:
    """After a look, and after these transactions."""
    continuity = Continuity()
    for txn_id in txn_ids:
        continuity.transaction(txn_id)
    continuity.settle(continuity.doubts)
    return continuity


@pytest.mark.parametrize(
    ("seen", "txn_id"),
    [
        pytest.param([], "7", id="the first: others may have gone before"),
        pytest.param(["7"], "9", id="one is missing"),
        pytest.param(["7"], "1", id="the counter began anew, or an old one comes late"),
    ],
)
def test_ids_that_do_not_follow_each_other_are_a_doubt(seen: list[str], txn_id: str) -> None:
    continuity = sure(*seen)
    continuity.transaction(txn_id)
    assert continuity.holds(LANE)


@pytest.mark.parametrize(
    ("seen", "txn_id"),
    [
        pytest.param(["7"], "8", id="the next one"),
        pytest.param(["7"], "7", id="the same again"),
        pytest.param(["a"], "b", id="no numbers"),
        pytest.param(["1800000000000"], "1800000000500", id="times"),
        pytest.param(["7"], "²", id="no decimal digits"),
    ],
)
def test_other_ids_are_none(seen: list[str], txn_id: str) -> None:
    continuity = sure(*seen)
    continuity.transaction(txn_id)
    assert not continuity.holds(LANE)


async def test_a_gap_is_doubted_before_anybody_can_see_what_came_after_it(
    aiohttp_client: AiohttpClient, database: Database
) -> None:
    held = Held(database)
    async with delivering(aiohttp_client, database, through=lambda _: held) as homeserver:
        homeserver.continuity.transaction("1")
        homeserver.continuity.settle(homeserver.continuity.doubts)
        answer = asyncio.create_task(homeserver.deliver(event(), txn_id="3"))
        await held.reached.wait()
        assert homeserver.continuity.holds(LANE)
        held.release.set()
        assert await answer == 200
        assert homeserver.refused == []


async def test_a_transaction_that_cannot_be_stored_is_doubted_and_asked_for_again(
    aiohttp_client: AiohttpClient, database: Database
) -> None:
    async with delivering(aiohttp_client, database, through=Full) as homeserver:
        doubts = homeserver.continuity.doubts
        assert await homeserver.deliver(event()) == 503
        assert homeserver.continuity.doubts > doubts
        assert len(homeserver.refused) == 1


class Broken(Full):
    """Fails otherwise than a database may."""

    async def before_commit(self) -> None:
        if self.times:
            self.times -= 1
            raise ZeroDivisionError


async def test_so_is_one_that_fails_by_a_fault_of_ours(
    aiohttp_client: AiohttpClient, database: Database
) -> None:
    async with delivering(aiohttp_client, database, through=Broken) as homeserver:
        assert await homeserver.deliver(event()) == 500
        assert len(homeserver.refused) == 1
        assert await homeserver.deliver(event()) == 200
        assert len(homeserver.refused) == 1


async def test_so_is_one_whose_connection_is_cut_before_it_was_all_here(homeserver: Delivering) -> None:
    server = homeserver.client.server
    _, writer = await asyncio.open_connection(server.host, server.port)
    head = f"PUT /_matrix/app/v1/transactions/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    writer.write(f'{head}Content-Length: 1000\r\n\r\n{{"events": ['.encode())
    await writer.drain()
    while homeserver.continuity.doubts == 0:  # noqa: ASYNC110 - until it is in the midst of it
        await asyncio.sleep(0.01)
    writer.transport.abort()
    async with asyncio.timeout(5):
        while not homeserver.refused:  # noqa: ASYNC110 - the other side tells nobody
            await asyncio.sleep(0.01)


async def test_a_request_without_the_token_is_no_transaction(homeserver: Delivering) -> None:
    doubts = homeserver.continuity.doubts
    status, _ = await homeserver.request("PUT", "/_matrix/app/v1/transactions/9", headers={}, body=b"{}")
    assert status == 401
    assert (homeserver.continuity.doubts, homeserver.refused) == (doubts, [])
