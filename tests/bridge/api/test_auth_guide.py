"""docs/auth.md: its configuration is loaded, its sign-in service signs, its session is run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.core.clock import SystemClock
from bridge.storage.database import Database
from bridge.tokens.rules import ALGORITHMS, ROLES
from bridge.web.auth import Credentials
from bridge.wiring import tokens
from tests.bridge.api.client import Api
from tests.bridge.api.test_guide import play
from tests.bridge.api.world import OURS, World

GUIDE = Path(__file__).parents[3] / "docs/auth.md"


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return str(found)


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A folder with the keys and tokens of the page's sign-in service."""
    subprocess.run([sys.executable, "-c", block("python")], check=True, cwd=tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("curl") is None, reason="2026-11-21: there is no curl here")
async def test_the_page_tells_the_truth(
    database: Database, api: Api, world: World, signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(signed)
    settings = fresh_settings(
        server_name="example.org",
        homeserver_url="http://127.0.0.1:8008",
        listen="127.0.0.1:29400",
        database_url="sqlite:///bridge.db",
        tenant=OURS,
    )
    settings["platform"]["tenants"][0] |= yaml.safe_load(block("yaml"))
    world.tokens = tokens(Config.model_validate(settings), database, SystemClock())
    world.credentials = Credentials(world.keys, world.tokens)
    assert await play(world, api, GUIDE, signed) >= 7


def test_the_page_names_every_algorithm_and_role() -> None:
    text = GUIDE.read_text()
    for name in ALGORITHMS - {"Ed25519"}:  # the newer name of one of EdDSA's
        assert f"`{name.rstrip('0123456789')}`" in text
    assert all(f"`{role}`" in text for role in ROLES)
