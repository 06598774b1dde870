import pytest

from bridge.storage.database import Database
from tests.bridge.quotes.stall import Stall


@pytest.fixture
async def stall(database: Database) -> Stall:
    return await Stall(database).opened()
