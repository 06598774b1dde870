"""The databases of the tests: on which kind a test runs, and a migrated one for it, made as quickly as can be.

A test that takes `database` runs on both kinds, but for those in the folders `ABOVE_THE_SQL`: what they are about
stands above the SQL, and they run on SQLite. `@both_databases`, or `@one_database`, says otherwise of a test or, as
`pytestmark`, of a module. `contracts/test_on_postgres.py` shows that PostgreSQL understands every
statement.
"""

import asyncio
import atexit
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from uuid import uuid4

import pytest

from bridge.storage.database import Database, connect, open_database
from tests.servers.postgres import PostgresServer

TESTS = Path(__file__).parent
KINDS = ("sqlite", "postgres")
both_databases = pytest.mark.databases(*KINDS)
one_database = pytest.mark.databases("sqlite")
ABOVE_THE_SQL = {
    *("bridge/api", "bridge/sockets"),
    *("appservice/changes", "appservice/recaps", "appservice/signals"),
}
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where no commit waits for a disk: only a test that pulls the plug could tell."""

OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
FILLED = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
AND relname <> 'schema_migrations' AND pg_relation_size(oid) > 0
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        metafunc.parametrize("database_kind", kinds_of(metafunc.definition), indirect=True)


def kinds_of(item: pytest.Item) -> tuple[str, ...]:
    mark = item.get_closest_marker("databases")
    if mark is not None:
        assert set(mark.args) <= set(KINDS), f"{item.nodeid}: there are {KINDS}"
        return mark.args
    folder = item.path.parent.relative_to(TESTS).as_posix()
    return ("sqlite",) if folder in ABOVE_THE_SQL else KINDS


@cache
def migrated() -> Path:
    """An SQLite file to copy: to migrate one takes longer than most tests."""
    folder = Path(mkdtemp(dir=IN_MEMORY))
    atexit.register(shutil.rmtree, folder)
    _migrate(f"sqlite:///{folder / 'bridge.db'}")
    return folder / "bridge.db"


@asynccontextmanager
async def quick_database() -> AsyncIterator[Database]:
    """On SQLite, migrated and empty: for one example of a property."""
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        async with _connected(f"sqlite:///{shutil.copy(migrated(), folder)}") as database:
            yield database


@asynccontextmanager
async def emptied(url: str) -> AsyncIterator[Database]:
    """This migrated PostgreSQL database, without whatever somebody before has left in it."""
    async with _connected(url) as database:
        async with database.transaction() as tx:
            await tx.fetch(OTHERS)
            filled = [row["relname"] for row in await tx.fetch(FILLED)]
            if filled:
                await tx.execute(f"TRUNCATE {', '.join(filled)} RESTART IDENTITY CASCADE")
        yield database


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Database]:
    database = await connect(url)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One for the whole run of this process; without fsync."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a migrated database to copy."""
    _migrate(postgres_server.create_database("migrated_template"))
    return "migrated_template"


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: PostgresServer, postgres_template: str) -> str:
    """One that is emptied for each test: to make one takes longer than most of them."""
    return postgres_server.create_database("shared", template=postgres_template)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(request: pytest.FixtureRequest, database_kind: str) -> Iterator[str]:
    """A database of this test's own, migrated."""
    if database_kind == "sqlite":
        with TemporaryDirectory(dir=IN_MEMORY) as folder:
            yield f"sqlite:///{shutil.copy(migrated(), folder)}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("postgres_template")
    name = f"test_{uuid4().hex}"
    yield server.create_database(name, template=template)
    server.drop_database(name)


@pytest.fixture
async def database(request: pytest.FixtureRequest, database_kind: str) -> AsyncIterator[Database]:
    """Migrated and empty; the one at `database_url` where the test asks for that, too."""
    if "database_url" in request.fixturenames:
        opened = _connected(request.getfixturevalue("database_url"))
    elif database_kind == "sqlite":
        opened = quick_database()
    else:
        opened = emptied(request.getfixturevalue("shared_postgres"))
    async with opened as database:
        yield database


def _migrate(url: str) -> None:
    async def migrate() -> None:
        await (await open_database(url)).close()

    with ThreadPoolExecutor(max_workers=1) as thread:  # this one may have an event loop running
        thread.submit(asyncio.run, migrate()).result()
