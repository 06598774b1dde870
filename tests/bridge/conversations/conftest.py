import pytest

from bridge.storage.database import Database
from tests.bridge.conversations.features import Features


@pytest.fixture
def features(database: Database) -> Features:
    """The features, each told what the conversations become."""
    made = Features(database)
    made.listen_to_changes()
    return made
