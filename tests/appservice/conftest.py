from collections.abc import AsyncIterator

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from bridge.storage.database import Database
from tests.appservice.delivering import Delivering, delivering


@pytest.fixture
async def homeserver(aiohttp_client: AiohttpClient, database: Database) -> AsyncIterator[Delivering]:
    """Delivers to us; on both databases."""
    async with delivering(aiohttp_client, database) as homeserver:
        yield homeserver
