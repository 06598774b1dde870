from dataclasses import dataclass

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from bridge.storage.database import Database
from tests.bridge.api.client import Api
from tests.bridge.api.world import OURS, THEIRS, World


@pytest.fixture
async def world(database: Database) -> World:
    return World(database)


@dataclass(frozen=True, slots=True)
class Sides:
    ours: Api
    theirs: Api
    nobody: Api


@pytest.fixture
async def sides(world: World, aiohttp_client: AiohttpClient) -> Sides:
    """A client of each of two tenants, and one without a key."""
    http = await aiohttp_client(world.app())
    keys = [str(await world.keys.create(tenant, name="tests")) for tenant in (OURS, THEIRS)]
    return Sides(*(Api(http, key) for key in (*keys, None)))


@pytest.fixture
def api(sides: Sides) -> Api:
    return sides.ours
