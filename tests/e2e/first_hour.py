"""A bridge whose configuration or database is changed before it starts, and what it says to that."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bridge.config.fresh import fresh_settings
from bridge.core.start import Reason
from bridge.demo.stand import Stand
from tests.bridge.commands.process import Printed, ended

IMPATIENT = ("--patience", "0")

SECRETS = ("as_token", "hs_token", "master_key", "identity_secret", "pickle_key")

NEW = fresh_settings(server_name="x", homeserver_url="x", listen="x", database_url="x", tenant="x")
"""Other secrets than those in use."""


Changes = Mapping[str, object]
"""`section.key` -> value of a configuration; None takes the key out."""


def changed(ground: Stand, folder: Path, changes: Changes) -> Path:
    """The configuration with changes, and with a database of its own in `folder`."""
    raw = yaml.safe_load(ground.config_path.read_text())
    raw["database"]["url"] = f"sqlite:///{folder / 'bridge.db'}"
    for path, value in changes.items():
        section, _, key = path.partition(".")
        if value is None:
            del raw[section][key]
        else:
            raw.setdefault(section, {})[key] = value
    return written(folder, raw)


def written(folder: Path, raw: Mapping[str, Any]) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(dict(raw)))
    return path


def database_that_was_used(ground: Stand, folder: Path) -> Path:
    for part in ground.config_path.parent.glob("bridge.db*"):
        shutil.copy(part, folder)
    return folder / "bridge.db"


async def refused(config: Path, *options: str) -> Printed:
    """What `festimo run` prints when it cannot start."""
    return await ended(config.parent, "run", "-c", config, *(options or IMPATIENT))


def assert_told(printed: Printed, reason: Reason, *, what: str, fix: str, config: Path) -> None:
    """Two or more lines for people, the last of them the fix, on stderr alone: no traceback, no secret."""
    assert printed.code == reason, printed.err
    assert printed.out == ""
    *happened, to_do = printed.told
    assert what in "\n".join(happened)
    assert fix in to_do
    assert "Traceback" not in printed.err
    for secret in secrets_in(config):
        assert secret not in printed.err


def secrets_in(config: Path) -> list[str]:
    raw = yaml.safe_load(config.read_text())
    found = [value for section in raw.values() for key, value in section.items() if key in SECRETS]
    return [
        *found,
        *(secret for tenant in raw["platform"]["tenants"] for secret in tenant["webhook_secrets"]),
    ]
