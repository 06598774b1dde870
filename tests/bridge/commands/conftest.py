"""The command line, called in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from bridge.__main__ import main
from bridge.config.fresh import fresh_settings


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command has left behind."""

    code: int
    out: str
    err: str


Festimo = Callable[..., Ended]


@pytest.fixture
def festimo(capsys: pytest.CaptureFixture[str]) -> Festimo:
    """`festimo("api-key", "list")`, to its end."""

    def call(*arguments: str | Path) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Ended(int(ended.value.code or 0), told.out, told.err)

    return call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A complete configuration, with a database of this test's own."""
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
