from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from bridge.storage.database import Database
from tests.bridge.storage.notes import open_notes
from tests.servers.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'notes.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"notes_{uuid4().hex}"
    yield server.create_database(name)
    server.drop_database(name)


@pytest.fixture
async def notes(empty_url: str) -> AsyncIterator[Database]:
    database = await open_notes(empty_url)
    yield database
    await database.close()


@pytest.fixture
async def sqlite_notes(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_notes(f"sqlite:///{tmp_path / 'notes.db'}")
    yield database
    await database.close()


@pytest.fixture
async def postgres_notes(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    name = f"notes_{uuid4().hex}"
    database = await open_notes(postgres_server.create_database(name))
    yield database
    await database.close()
    postgres_server.drop_database(name)


@pytest.fixture
def sqlite_path(tmp_path: Path) -> str:
    return str(tmp_path / "notes.db")
