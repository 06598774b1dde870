"""`festimo backup` and `festimo restore`, as somebody types them."""

import asyncio
from pathlib import Path

import pytest
import yaml

from bridge.config import load
from bridge.config.fresh import fresh_settings
from bridge.storage.database import Database, open_database
from tests.bridge.commands.conftest import Festimo


async def generation(url: str) -> int | None:
    database: Database = await open_database(url)
    number: int | None = await database.fetch_value("SELECT number FROM generations")
    await database.close()
    return number


async def used(url: str) -> None:
    database = await open_database(url)
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO generations (user_id, number, confirmed) VALUES ('@bot:x', 5, 1)")
    await database.close()


@pytest.fixture
def url(config: Path) -> str:
    url = load(config).database.url.get_secret_value()
    asyncio.run(used(url))
    return url


def test_there_and_back(festimo: Festimo, config: Path, tmp_path: Path, url: str) -> None:
    key = festimo("api-key", "create", "--tenant", "festipin", "--name", "shop", "-c", config).out.strip()
    made = festimo("backup", tmp_path / "backup", "-c", config)
    assert made.code == 0
    assert "rows" in made.out
    # What it does not hold is told each time.
    assert str(config) in made.err
    secrets = [line for line in config.read_text().split() if len(line) > 30]
    assert len(secrets) > 4
    assert [one for one in secrets if one.encode() in (tmp_path / "backup").read_bytes()] == []

    refused = festimo("restore", tmp_path / "backup", "-c", config)
    assert (refused.code, "--replace" in refused.err) == (1, True)
    key_id = key.split("_")[1]
    assert festimo("api-key", "revoke", key_id, "-c", config).code == 0
    put = festimo("restore", tmp_path / "backup", "--replace", "-c", config)
    assert put.code == 0
    assert "Start the bridge" in put.out
    assert "valid again" in put.err
    assert "valid" in festimo("api-key", "list", "-c", config).out
    # The bridge will know that it was restored, however fresh the copy.
    number = asyncio.run(generation(url))
    assert number is not None
    assert number > 1_000_000


def test_another_configuration_opens_nothing(
    festimo: Festimo, config: Path, tmp_path: Path, url: str
) -> None:
    festimo("backup", tmp_path / "backup", "-c", config)
    other = tmp_path / "other.yaml"
    other.write_text(
        yaml.safe_dump(
            fresh_settings(
                server_name="example.org",
                homeserver_url="http://127.0.0.1:8008",
                listen="127.0.0.1:29400",
                database_url=f"sqlite:///{tmp_path / 'other.db'}",
                tenant="festipin",
            )
        )
    )
    other.chmod(0o600)
    refused = festimo("restore", tmp_path / "backup", "-c", other)
    assert (refused.code, "storage.master_key" in refused.err) == (1, True)
    assert not (tmp_path / "other.db").exists()


def test_a_refusal_is_one_sentence(festimo: Festimo, config: Path, tmp_path: Path, url: str) -> None:
    (tmp_path / "there").write_text("precious")
    refused = festimo("backup", tmp_path / "there", "-c", config)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == f"{tmp_path / 'there'} exists: name a new file. It was left as it is.\n"
    assert (tmp_path / "there").read_text() == "precious"
    refused = festimo("restore", tmp_path / "there", "-c", config)
    assert (refused.code, "no backup of the bridge" in refused.err) == (1, True)
