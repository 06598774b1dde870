from collections.abc import AsyncIterator

import pytest

from bridge.storage.database import Database
from tests.bridge.webhooks.post import Post
from tests.bridge.webhooks.receiver import Receiver, receiving


@pytest.fixture
async def post(database: Database) -> AsyncIterator[Post]:
    post = Post(database)
    async with post.courier:
        yield post


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver
