"""The database is gone, cut off, read-only, locked or full."""

import asyncio
import sqlite3
from contextlib import closing

from tests.faults.suite.disk import full, is_small
from tests.faults.suite.ground import BRIDGE, Ground
from tests.faults.suite.scenarios.network import lasting
from tests.faults.suite.trial import Scenario, Trial


async def connections_cut(trial: Trial) -> None:
    assert trial.ground.to_postgres is not None
    cut = 0
    with trial.load.on_and_on():
        for _ in range(3 if trial.sizes.quick else 10):
            await trial.load.more(trial.random.randint(5, 15))
            cut += trial.ground.to_postgres.cut()
    trial.met("connections_cut", cut)


async def refusing(trial: Trial) -> None:
    assert trial.ground.to_postgres is not None
    await trial.ground.to_postgres.refuse()
    await asyncio.sleep(lasting(trial.sizes))
    await trial.ground.to_postgres.accept()


async def stalled(trial: Trial) -> None:
    assert trial.ground.to_postgres is not None
    trial.ground.to_postgres.stall()
    await asyncio.sleep(trial.sizes.frozen / 3)
    trial.ground.to_postgres.flow()


async def slow(trial: Trial) -> None:
    assert trial.ground.to_postgres is not None
    trial.ground.to_postgres.delay = 0.05
    with trial.load.on_and_on():
        await asyncio.sleep(lasting(trial.sizes))
    trial.ground.to_postgres.delay = 0.0


async def killed(trial: Trial) -> None:
    """The homeserver's database is on the same server: it must recover as well."""
    postgres = trial.ground.postgres
    assert postgres is not None
    await asyncio.to_thread(postgres.kill)
    await asyncio.sleep(1)
    await asyncio.to_thread(postgres.start)


async def read_only(trial: Trial) -> None:
    postgres = trial.ground.postgres
    assert postgres is not None
    alter = f'ALTER DATABASE "{BRIDGE}" SET default_transaction_read_only = '
    sessions = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{BRIDGE}'"
    for value in ("on", "off"):
        await asyncio.to_thread(postgres.sql, alter + value)
        await asyncio.to_thread(postgres.sql, sessions)
        if value == "on":
            await asyncio.sleep(lasting(trial.sizes))


async def locked(trial: Trial) -> None:
    """Somebody has the file open in another program and is in the midst of a transaction."""
    with closing(sqlite3.connect(trial.ground.place.data / "bridge.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(lasting(trial.sizes) * 2)
        other.execute("ROLLBACK")


async def disk_full(trial: Trial) -> None:
    with full(trial.ground.place.data):
        await asyncio.sleep(lasting(trial.sizes))


def no_small_disk(ground: Ground) -> str | None:
    return None if is_small(ground.place.data) else "no right to mount a small disk"


SCENARIOS = (
    Scenario(
        name="database connections cut",
        does="all connections to PostgreSQL are reset, ten times",
        parts=("database",),
        inject=connections_cut,
        kinds=("postgres",),
    ),
    Scenario(
        name="database refusing",
        does="PostgreSQL cannot be reached for 10 s",
        parts=("database",),
        inject=refusing,
        kinds=("postgres",),
        quick="postgres",
    ),
    Scenario(
        name="database stalled",
        does="connections to PostgreSQL stay open and nothing passes, for 20 s",
        parts=("database", "network"),
        inject=stalled,
        kinds=("postgres",),
    ),
    Scenario(
        name="database slow",
        does="each way to and from PostgreSQL takes 50 ms",
        parts=("database", "network"),
        inject=slow,
        kinds=("postgres",),
    ),
    Scenario(
        name="database killed",
        does="SIGKILL to PostgreSQL, of the bridge and of the homeserver, and a start",
        parts=("database", "homeserver"),
        inject=killed,
        kinds=("postgres",),
    ),
    Scenario(
        name="database read-only",
        does="PostgreSQL takes no writes for 10 s",
        parts=("database",),
        inject=read_only,
        kinds=("postgres",),
    ),
    Scenario(
        name="database locked",
        does="another program holds SQLite's write lock for 20 s",
        parts=("database",),
        inject=locked,
        kinds=("sqlite",),
    ),
    Scenario(
        name="disk full",
        does="the disk of the SQLite file has no byte left for 10 s",
        parts=("database",),
        inject=disk_full,
        kinds=("sqlite",),
        hindrance=no_small_disk,
    ),
)
