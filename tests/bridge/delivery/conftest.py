import pytest

from bridge.storage.database import Database
from tests.bridge.delivery.desk import Desk


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)
