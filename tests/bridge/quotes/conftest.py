import pytest

from bridge.storage.database import Database
from tests.bridge.quotes.stall import Stall


@pytest.fixture
async def stall(database: Database) -> Stall:
    return await Stall(database).opened()


@pytest.fixture
async def polling_stall(database: Database) -> Stall:
    """Where hosts are asked in polls."""
    return await Stall(database, by_poll=True).opened()
