"""How many connections, and how many frames."""

import pytest
from aiohttp import WSServerHandshakeError

from bridge.sockets.seats import Seats
from bridge.storage.database import Database
from tests.bridge.api.client import Api
from tests.bridge.api.requests import opened
from tests.bridge.sockets.client import Crowd, LiveWorld, until
from tests.bridge.sockets.test_entry import bearer, refused
from tests.bridge.sockets.test_sockets import PARTY, USER

FRAMES_PER_SECOND = 5


@pytest.fixture
async def world(database: Database) -> LiveWorld:
    return LiveWorld(database, frames_per_second=FRAMES_PER_SECOND)


async def test_nobody_has_more_connections_than_there_may_be(
    world: LiveWorld, api: Api, theirs: Api, crowd: Crowd
) -> None:
    await opened(api)
    await opened(theirs)
    vars(world.seats).update(vars(Seats(per_person=2, per_program=3)))
    anna, chef = world.person("u-anna"), world.person("v-1", "vendor")
    first, _ = await crowd.connected(PARTY, anna), await crowd.connected(USER, anna)
    for path in (PARTY, USER):
        async with api.http.get(path, headers=bearer(anna)) as answer:
            problem = await answer.json(content_type=None)
        assert (answer.status, problem["type"]) == (429, "urn:festimo:problem:too_many_connections")
        assert "2 connections" in problem["detail"]
        assert int(answer.headers["Retry-After"]) > 0
    # Others are others, and programs have a number of their own.
    await crowd.connected(PARTY, chef)
    for _ in range(3):
        await crowd.connected(PARTY)
    assert await refused(api, PARTY, bearer(api.key)) == (429, "too_many_connections")
    await crowd.connected(PARTY, theirs.key)
    # Who goes makes room, and who was not let in took none.
    first.drop()
    await until(lambda: len(world.live.hub.present.all()) == 6)
    await crowd.connected(PARTY, anna)


async def test_who_is_not_let_in_takes_no_place(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    await opened(api)
    vars(world.seats).update(vars(Seats(per_person=1, per_program=1)))
    anna = world.person("u-anna")
    for _ in range(3):
        with pytest.raises(WSServerHandshakeError):
            await crowd.connected("/ws/communication/unknown", anna)
        async with api.http.get(PARTY, headers=bearer(anna)) as answer:
            assert answer.status == 426
    await crowd.connected(PARTY, anna)


async def test_a_burst_of_frames_is_put_off(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    client, other = await crowd.connected(PARTY), await crowd.connected(PARTY)
    frame = {"type": "typing.start", "conversation_id": conversation_id, "participant_id": "v-1"}
    answers = [await client.ask(**frame) for _ in range(FRAMES_PER_SECOND + 2)]
    assert [answer["type"] for answer in answers] == ["ack"] * FRAMES_PER_SECOND + ["error"] * 2
    assert (answers[-1]["code"], answers[-1]["retry_after"]) == ("rate_limited", 1)
    assert "in a second" in answers[-1]["detail"]
    assert (await other.ask(**frame))["type"] == "ack"
    world.clock.advance(1_000)
    assert (await client.ask(**frame))["type"] == "ack"
