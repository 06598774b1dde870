"""`festimo api-key`."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from bridge.__main__ import app
from bridge.api_keys.model import read_token
from bridge.config.fresh import fresh_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    settings = fresh_settings(
        server_name="example.org",
        homeserver_url="http://127.0.0.1:8008",
        listen="127.0.0.1:29400",
        database_url=f"sqlite:///{tmp_path / 'bridge.db'}",
        tenant="festipin",
    )
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    path.chmod(0o600)
    return path


def festimo(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["api-key", *arguments, "--config", str(config)])


def test_a_key_is_shown_once_listed_and_revoked(config: Path) -> None:
    made = festimo(config, "create", "--tenant", "festipin", "--name", "shop")
    assert made.exit_code == 0, made.output
    token = read_token(made.stdout.strip())
    assert token is not None
    listed = festimo(config, "list").stdout
    assert token.key_id in listed
    assert "valid" in listed
    assert "shop" in listed
    assert token.secret not in listed
    assert festimo(config, "revoke", token.key_id).exit_code == 0
    assert "revoked" in festimo(config, "list").stdout


def test_what_cannot_be_done_is_told(config: Path, tmp_path: Path) -> None:
    unknown = festimo(config, "create", "--tenant", "stranger", "--name", "shop")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "stranger is no tenant" in unknown.stderr
    assert festimo(config, "revoke", "0" * 16).exit_code == 1
    assert festimo(tmp_path / "nothing.yaml", "list").exit_code == 78
    assert festimo(config, "list").stdout == ""
