"""`festimo recovery-key`: the same at every call, from the configuration alone."""

from pathlib import Path

from bridge.core.start import Reason
from tests.bridge.commands.conftest import Festimo


def test_the_recovery_key_needs_no_database_and_no_homeserver(festimo: Festimo, config: Path) -> None:
    first = festimo("recovery-key", "--config", config)
    assert first.code == 0, first.err
    groups = first.out.split()
    assert [len(group) for group in groups] == [4] * 12
    assert groups[0].startswith("Es")
    assert festimo("recovery-key", "--config", config).out == first.out
    assert not (config.parent / "bridge.db").exists()


def test_another_bot_or_secret_has_another_key(festimo: Festimo, config: Path) -> None:
    first = festimo("recovery-key", "--config", config).out
    text = config.read_text()
    config.write_text(text.replace("appservice:\n", "appservice:\n  bot_localpart: another\n"))
    assert festimo("recovery-key", "--config", config).out not in ("", first)


def test_without_a_configuration_nothing_is_printed(festimo: Festimo, tmp_path: Path) -> None:
    missing = festimo("recovery-key", "--config", tmp_path / "nothing.yaml")
    assert (missing.code, missing.out) == (Reason.CONFIG_INVALID, "")
