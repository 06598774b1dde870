from collections.abc import AsyncIterator, Iterator

import nats
import pytest

from bridge.storage.database import Database
from tests.bridge.platform.bus.rig import Rig
from tests.servers.nats import NatsServer


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with NatsServer() as running:
        yield running


@pytest.fixture
async def rig(database: Database, server: NatsServer) -> AsyncIterator[Rig]:
    client = await nats.connect(server.url)
    yield Rig(database, server, client)
    await client.close()
