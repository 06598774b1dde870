"""Fixtures for everybody: a fresh database of each kind, a real PostgreSQL, and no way out to the network."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import socket_allow_hosts
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from bridge.storage.database import Database, open_database
from tests.servers.postgres import PostgresServer

# How long an example takes says something about the machine, not about what is tested.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

TESTS = Path(__file__).parent
TALK_TO_SERVERS = {"e2e", "faults"}
TEMPLATE = "migrated_template"


class OneServersTestAtATime(LoadScopeScheduling):  # type: ignore[misc]
    """For `pytest -n 2`: what runs servers goes one after the other in one process; the other has files of the rest."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "servers" if Path(file).parts[1] in TALK_TO_SERVERS else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return OneServersTestAtATime(config, log)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if _folder(item) not in TALK_TO_SERVERS:
        socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One for the whole run; without fsync."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a migrated database to copy."""

    async def migrate(url: str) -> None:
        await (await open_database(url)).close()

    with ThreadPoolExecutor(max_workers=1) as thread:  # this one may have an event loop running
        thread.submit(asyncio.run, migrate(postgres_server.create_database(TEMPLATE))).result()
    return TEMPLATE


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of this test's own, of either kind; the PostgreSQL one is migrated already."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bridge.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("postgres_template")
    name = f"test_{uuid4().hex}"
    yield server.create_database(name, template=template)
    server.drop_database(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url)
    yield database
    await database.close()
