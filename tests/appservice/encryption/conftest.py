"""The engine on a fresh database of each kind, and a migrated SQLite file for properties to copy."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.core.clock import FrozenClock
from bridge.storage.database import Database, open_database
from tests.appservice.encryption.engine import BOT, ROOM, Engine
from tests.appservice.encryption.party import Identity, Party
from tests.fakes.homeserver import FakeHomeserver
from tests.servers.postgres import PostgresServer

TABLES = """
SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'
"""
MakeParty = Callable[..., Awaitable[Party]]


@pytest.fixture(scope="session")
def emptied_postgres(postgres_server: PostgresServer, postgres_template: str) -> str:
    """One PostgreSQL database for all these tests: to make one takes longer than most of them."""
    return postgres_server.create_database("encryption", template=postgres_template)


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> AsyncIterator[Database]:
    """As everywhere in these tests an empty one of either kind, but quicker."""
    if request.param == "sqlite":
        path = tmp_path / "bridge.db"
        shutil.copy(template, path)
        database = await open_database(f"sqlite:///{path}")
    else:
        database = await open_database(request.getfixturevalue("emptied_postgres"))
        async with database.transaction() as tx:
            names = [row["tablename"] for row in await tx.fetch(TABLES)]
            await tx.execute(f"TRUNCATE {', '.join(names)}")
    yield database
    await database.close()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def homeserver() -> FakeHomeserver:
    return FakeHomeserver()


@pytest.fixture
async def engine(database: Database, homeserver: FakeHomeserver, clock: FrozenClock) -> Engine:
    """With one room in which only the bot is."""
    engine = Engine(database, homeserver, clock)
    homeserver.add_room(ROOM, {BOT: "join"})
    await engine.add_room()
    await engine.step()
    return engine


@pytest.fixture
def join(homeserver: FakeHomeserver, engine: Engine) -> MakeParty:
    """Have somebody with a device join the room, cross-signed unless told otherwise."""

    async def party(
        name: str, device: str = "PHONE", *, signed: bool = True, one_time_keys: int = 20
    ) -> Party:
        user = f"@{name}:people.test"
        party = Party(homeserver, user, device, Identity(user) if signed else None)
        await party.publish(one_time_keys=one_time_keys)
        homeserver.set_membership(ROOM, user, "join")
        await engine.members_changed()
        return party

    return party


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "bridge.db"

    async def migrate() -> None:
        await (await open_database(f"sqlite:///{path}")).close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, migrate()).result()
    return path
