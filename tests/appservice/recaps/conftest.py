import pytest

from bridge.storage.database import Database
from tests.appservice.recaps.world import World


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.begin()
    return world
