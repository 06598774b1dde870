import pytest

from bridge.storage.database import Database
from tests.bridge.bookings.desk import Desk


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk(database).opened()
