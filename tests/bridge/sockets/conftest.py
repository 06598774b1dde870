import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from bridge.sockets.session import Pulse
from bridge.storage.database import Database
from tests.bridge.api.client import Api
from tests.bridge.api.world import OURS, PULSE, THEIRS
from tests.bridge.sockets.client import Crowd, LiveWorld, OnlyTask


@pytest.fixture
def pulse() -> Pulse:
    return PULSE


@pytest.fixture
async def world(database: Database, pulse: Pulse) -> LiveWorld:
    return LiveWorld(database, pulse=pulse)


@pytest.fixture
async def http(world: LiveWorld, aiohttp_client: AiohttpClient) -> TestClient[web.Request, web.Application]:
    return await aiohttp_client(world.app())


@pytest.fixture
async def at_work(world: LiveWorld) -> AsyncIterator[OnlyTask]:
    """What runs beside the web server in a bridge."""
    task = asyncio.create_task(world.work())
    yield task
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def api(world: LiveWorld, http: TestClient[web.Request, web.Application], at_work: OnlyTask) -> Api:
    return Api(http, str(await world.keys.create(OURS, name="tests")))


@pytest.fixture
async def theirs(world: LiveWorld, http: TestClient[web.Request, web.Application]) -> Api:
    return Api(http, str(await world.keys.create(THEIRS, name="tests")))


@pytest.fixture
async def crowd(world: LiveWorld, api: Api) -> AsyncIterator[Crowd]:
    async with Crowd(world, api) as everybody:
        yield everybody
