"""`festimo init`."""

import stat
from pathlib import Path

import pytest
import yaml

from appservice.registration import registration
from bridge.config import load
from bridge.core.start import Reason
from tests.bridge.commands.conftest import Festimo

EXIT_USAGE = 2
MODES = (0o600, 0o600)


def test_both_files_are_complete_and_for_their_owner_only(festimo: Festimo, tmp_path: Path) -> None:
    made = festimo("init", "--server-name", "example.org", "--folder", tmp_path)
    assert (made.code, made.err) == (0, "")
    files = tmp_path / "config.yaml", tmp_path / "registration.yaml"
    assert tuple(stat.S_IMODE(file.stat().st_mode) for file in files) == MODES
    assert yaml.safe_load(files[1].read_text()) == registration(load(files[0]))
    assert festimo("check-config", "--config", files[0]).code == 0


def test_it_listens_everywhere_behind_a_proxy(festimo: Festimo, tmp_path: Path) -> None:
    options = ("--server-name", "example.org", "--listen", "0.0.0.0:29400", "--behind-proxy")
    assert festimo("init", *options, "--folder", tmp_path).code == 0
    assert load(tmp_path / "config.yaml").web.behind_proxy


@pytest.mark.parametrize("name", ["plain", "with spaces", "with [brackets], #hash: and 'quotes\""])
def test_the_printed_line_is_yaml_whatever_the_folder_is_called(
    festimo: Festimo, tmp_path: Path, name: str
) -> None:
    made = festimo("init", "--server-name", "example.org", "--folder", tmp_path / name)
    (line,) = (line for line in made.out.splitlines() if line.startswith("app_service_config_files:"))
    assert yaml.safe_load(line) == {"app_service_config_files": [str(tmp_path / name / "registration.yaml")]}


@pytest.mark.parametrize("present", ["config.yaml", "registration.yaml"])
def test_nothing_is_overwritten(festimo: Festimo, tmp_path: Path, present: str) -> None:
    (tmp_path / present).write_text("mine")
    refused = festimo("init", "--server-name", "example.org", "--folder", tmp_path)
    assert (refused.code, refused.out) == (Reason.FILES_EXIST, "")
    assert f"{present} exists already; nothing was written." in refused.err
    assert "move it away yourself" in refused.err
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(present, "mine")]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        # an address instead of a name
        (("--server-name", "https://example.org"), "homeserver.server_name: "),
        # no scheme
        (("--server-name", "example.org", "--homeserver-url", "localhost:8008"), "homeserver.url: "),
        # no port
        (("--server-name", "example.org", "--listen", "127.0.0.1"), "appservice.listen: "),
        # reachable from elsewhere, and nothing said of TLS
        (("--server-name", "example.org", "--listen", "0.0.0.0:29400"), "web: "),
        # a kind of database that we do not know
        (("--server-name", "example.org", "--database-url", "mysql://x:secret-word@y/z"), "database.url: "),
    ],
)
def test_a_wrong_option_is_told_by_its_key_and_nothing_is_written(
    festimo: Festimo, tmp_path: Path, options: tuple[str, ...], key: str
) -> None:
    refused = festimo("init", *options, "--folder", tmp_path / "new")
    assert (refused.code, refused.out) == (Reason.CONFIG_INVALID, "")
    assert f"\n  {key}" in refused.err
    assert "secret-word" not in refused.err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_told(festimo: Festimo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused = festimo("init", "--server-name", "example.org", "--folder", tmp_path / "file" / "new")
    assert (refused.code, refused.out) == (EXIT_USAGE, "")
    assert "Not a directory" in refused.err
    assert (tmp_path / "file").read_text() == "mine"
