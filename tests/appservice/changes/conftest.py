import pytest

from bridge.core.clock import FrozenClock
from bridge.storage.database import Database
from tests.appservice.changes.room import Conversation
from tests.appservice.encryption.engine import Engine
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA
from tests.fakes.homeserver import FakeHomeserver


@pytest.fixture
async def talk(database: Database) -> Conversation:
    """On both databases."""
    return await Conversation(Engine(database, FakeHomeserver(), FrozenClock())).opened()


@pytest.fixture
async def anna(talk: Conversation) -> Party:
    """The host's client."""
    return await talk.joined(ANNA)
