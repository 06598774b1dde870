"""A real homeserver, started once, and real clients on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from appservice.embedded.synapse import Synapse
from bridge.demo.stand import Stand, stand
from tests.clients.people import People

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked `e2e`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def synapse(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Synapse]:
    """One homeserver for all tests that need no bridge on it. Tests that kill it start their own."""
    async with Synapse(tmp_path_factory.mktemp("synapse")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """A homeserver that knows the bridge, for all tests of a file. Tests that harm it make their own."""
    async with stand(tmp_path_factory.mktemp("stand")) as ready:
        yield ready


@pytest.fixture
async def people(synapse: Synapse, tmp_path: Path) -> AsyncIterator[People]:
    """New accounts on the shared homeserver, and clients that end with the test."""
    async with People(synapse, tmp_path) as everybody:
        yield everybody
