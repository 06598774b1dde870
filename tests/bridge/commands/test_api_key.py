"""`festimo api-key`."""

from pathlib import Path

from bridge.api_keys.model import read_token
from bridge.commands.failure import EXIT_FAILED
from bridge.core.start import Reason
from tests.bridge.commands.conftest import Festimo


def test_a_key_is_shown_once_listed_and_revoked(festimo: Festimo, config: Path) -> None:
    made = festimo("api-key", "create", "--tenant", "festipin", "--name", "shop", "--config", config)
    assert made.code == 0, made.err
    token = read_token(made.out.strip())
    assert token is not None
    listed = festimo("api-key", "list", "--config", config).out
    assert token.key_id in listed
    assert "valid" in listed
    assert "shop" in listed
    assert token.secret not in listed
    assert festimo("api-key", "revoke", token.key_id, "--config", config).code == 0
    assert "revoked" in festimo("api-key", "list", "--config", config).out


def test_a_key_can_be_limited(festimo: Festimo, config: Path) -> None:
    known = festimo("api-key", "scopes").out.split()
    assert {"conversations:read", "messages:write", "admin:read"} <= set(known)
    create = ("api-key", "create", "--tenant", "festipin", "--name", "shop", "--config", config)
    assert festimo(*create, "--scope", "messages:read", "--scope", "conversations:read").code == 0
    assert festimo(*create).code == 0
    limited, everything = festimo("api-key", "list", "--config", config).out.splitlines()
    assert "  conversations:read messages:read  shop" in limited + everything
    assert "  everything  shop" in limited + everything
    refused = festimo(*create, "--scope", "messages")
    assert (refused.code, refused.out) == (EXIT_FAILED, "")
    assert refused.err.startswith("messages is no scope. These are: admin:read, ")


def test_what_is_refused_is_told_and_changes_nothing(festimo: Festimo, config: Path) -> None:
    unknown = festimo("api-key", "create", "--tenant", "stranger", "--name", "shop", "--config", config)
    assert (unknown.code, unknown.out) == (EXIT_FAILED, "")
    assert unknown.err.startswith("stranger is no tenant of the configuration. These are: festipin.")
    assert festimo("api-key", "revoke", "0" * 16, "--config", config).code == EXIT_FAILED
    assert festimo("api-key", "list", "--config", config).out == ""


def test_the_reasons_are_those_of_every_command(festimo: Festimo, config: Path, tmp_path: Path) -> None:
    missing = festimo("api-key", "list", "--config", tmp_path / "nothing.yaml")
    assert (missing.code, missing.out) == (Reason.CONFIG_INVALID, "")
    assert "No such file or directory" in missing.err
    config.write_text(config.read_text().replace("/bridge.db", "/no-such-folder/bridge.db"))
    unusable = festimo("api-key", "list", "--config", config)
    assert (unusable.code, unusable.out) == (Reason.DATABASE_UNUSABLE, "")
    assert "Check `database.url`" in unusable.err
