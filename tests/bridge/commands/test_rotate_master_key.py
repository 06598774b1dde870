"""`festimo rotate-master-key`, as somebody types it, and as a kill ends it."""

import asyncio
import base64
import sqlite3
from pathlib import Path

import pytest
import yaml

from bridge.config import load
from bridge.core.clock import SystemClock
from bridge.core.ids import TenantId
from bridge.storage.database import open_database
from bridge.storage.file_lock import FileLock
from bridge.storage.master_keys import MasterKeys
from bridge.storage.sealing import CannotOpen, Sealer
from bridge.wiring import sealer_of
from tests.bridge.commands.conftest import Festimo
from tests.bridge.commands.process import LIMIT, Process
from tests.bridge.commands.process import festimo as process

NEW = bytes([7] * 32)
PLACE = "messages.content:1"
KEYS = 40_000


def renew(config: Path) -> None:
    """As an operator does it: the present key becomes the former one."""
    settings = yaml.safe_load(config.read_text())
    settings["storage"] = {
        "master_key": base64.b64encode(NEW).decode(),
        "former_master_key": settings["storage"]["master_key"],
    }
    config.write_text(yaml.safe_dump(settings))


def forget_former(config: Path) -> None:
    settings = yaml.safe_load(config.read_text())
    del settings["storage"]["former_master_key"]
    config.write_text(yaml.safe_dump(settings))


async def fill(config: Path, count: int) -> list[bytes]:
    loaded = load(config)
    database = await open_database(loaded.database.url.get_secret_value())
    sealer = sealer_of(loaded, SystemClock())
    async with database.transaction() as tx:
        sealed = [
            await sealer.seal(tx, TenantId("festipin"), f"c{number}", b"%d" % number, place=PLACE)
            for number in range(count)
        ]
    await database.close()
    return sealed


async def opened(config: Path, sealed: list[bytes]) -> list[bytes]:
    loaded = load(config)
    database = await open_database(loaded.database.url.get_secret_value())
    sealer: Sealer = sealer_of(loaded, SystemClock())
    try:
        await sealer.check(database)
        return [await sealer.open(database, one, place=PLACE) for one in sealed]
    finally:
        await database.close()


def test_the_key_changes(festimo: Festimo, config: Path, tmp_path: Path) -> None:
    sealed = asyncio.run(fill(config, 3))
    assert festimo("backup", tmp_path / "before", "-c", config).code == 0
    renew(config)
    ended = festimo("rotate-master-key", "-c", config)
    assert (ended.code, ended.out) == (
        0,
        "3 keys are wrapped by `storage.master_key` now, and none by another.\n",
    )
    assert "Remove `storage.former_master_key`" in ended.err
    assert festimo("rotate-master-key", "-c", config).out.startswith("0 keys")
    # A backup of before is put back with both keys, and what is in it changes again.
    assert festimo("restore", tmp_path / "before", "--replace", "-c", config).code == 0
    assert festimo("rotate-master-key", "-c", config).out.startswith("3 keys")
    forget_former(config)
    assert asyncio.run(opened(config, sealed)) == [b"0", b"1", b"2"]
    refused = festimo("restore", tmp_path / "before", "--replace", "-c", config)
    assert (refused.code, "storage.former_master_key" in refused.err) == (1, True)


def test_without_a_former_key_there_is_nothing_to_do(festimo: Festimo, config: Path) -> None:
    refused = festimo("rotate-master-key", "-c", config)
    assert (refused.code, refused.out) == (1, "")
    assert "names no `storage.former_master_key`" in refused.err


def test_another_former_key_changes_nothing(festimo: Festimo, config: Path) -> None:
    sealed = asyncio.run(fill(config, 3))
    right = config.read_text()
    settings = yaml.safe_load(right)
    settings["storage"] = {
        "master_key": base64.b64encode(NEW).decode(),
        "former_master_key": base64.b64encode(bytes(32)).decode(),
    }
    config.write_text(yaml.safe_dump(settings))
    refused = festimo("rotate-master-key", "-c", config)
    assert (refused.code, "Put the former key back" in refused.err) == (13, True)
    config.write_text(right)
    assert asyncio.run(opened(config, sealed)) == [b"0", b"1", b"2"]


def test_beside_a_bridge_it_refuses(festimo: Festimo, config: Path, tmp_path: Path) -> None:
    sealed = asyncio.run(fill(config, 1))
    renew(config)
    lock = FileLock(f"{tmp_path / 'bridge.db'}.leader")
    assert asyncio.run(lock.acquire())
    refused = festimo("rotate-master-key", "-c", config)
    asyncio.run(lock.release())
    assert (refused.code, "stop it first" in refused.err) == (1, True)
    forget_former(config)
    with pytest.raises(CannotOpen):
        asyncio.run(opened(config, sealed))


async def test_it_goes_on_after_a_kill(config: Path, tmp_path: Path) -> None:
    sealed = await fill(config, KEYS)
    renew(config)
    async with process(tmp_path, "rotate-master-key", "-c", config) as running:
        await until_begun(running, tmp_path / "bridge.db")
        await running.kill()
    left = wrapped_otherwise(tmp_path / "bridge.db")
    assert 0 < left < KEYS, "killed in the middle"
    assert len(await opened(config, sealed[::100])) == KEYS / 100

    async with process(tmp_path, "rotate-master-key", "-c", config) as running:
        printed = await running.end()
    assert printed.code == 0
    assert printed.out.startswith(f"{left} keys")
    forget_former(config)
    assert await opened(config, sealed) == [b"%d" % number for number in range(KEYS)]


async def until_begun(running: Process, path: Path) -> None:
    async with asyncio.timeout(LIMIT):
        while wrapped_otherwise(path) == KEYS:
            await running.moment()


def wrapped_otherwise(path: Path) -> int:
    """Keys that the new master key has not wrapped."""
    connection = sqlite3.connect(path)
    sql = "SELECT COUNT(*) FROM content_keys WHERE tenant_id <> '' AND wrapped_by <> ?"
    (count,) = connection.execute(sql, (MasterKeys(NEW).name,)).fetchone()
    connection.close()
    return int(count)
