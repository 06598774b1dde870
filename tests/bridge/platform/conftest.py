import pytest
from pytest_aiohttp.plugin import AiohttpClient

from tests.bridge.platform.sender import Client, MemoryIntake, application


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, intake: MemoryIntake) -> Client:
    return await aiohttp_client(application(intake))
