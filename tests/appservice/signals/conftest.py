import pytest

from bridge.storage.database import Database
from tests.appservice.signals.town import Town


@pytest.fixture
async def town(database: Database) -> Town:
    town = Town(database)
    await town.begin()
    return town
