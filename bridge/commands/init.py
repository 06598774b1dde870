"""`festimo init`: a configuration and a registration with fresh secrets, and what to do with them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import ValidationError

from appservice.registration import registration
from bridge.config import Config, ConfigError
from bridge.config.fresh import fresh_settings
from bridge.config.problems import problems_of
from bridge.core.start import CannotStart, Reason

CONFIG, REGISTRATION = "config.yaml", "registration.yaml"
CONFIG_HEADER = """\
# Made by `festimo init`. Secrets inside: keep it 0600, and a copy of `storage` and `encryption` apart from
# the database. Every other key, with its default, is in config.example.yaml; `festimo check-config` checks this file.
"""
REGISTRATION_HEADER = """\
# Made by `festimo init` from config.yaml, for the homeserver. Secrets inside: readable by the homeserver only.
"""


def init(
    server_name: Annotated[str, typer.Option(help="The homeserver's name, as in @anna:example.org.")],
    homeserver_url: Annotated[
        str, typer.Option(help="Where the bridge reaches the homeserver.")
    ] = "http://127.0.0.1:8008",
    listen: Annotated[str, typer.Option(help="host:port the bridge listens on.")] = "127.0.0.1:29400",
    database_url: Annotated[
        str, typer.Option(help="sqlite:///FILE, or postgresql://user:password@host/name.")
    ] = "sqlite:///festimo.db",
    tenant: Annotated[str, typer.Option(help="Short name of the platform's tenant.")] = "festipin",
    behind_proxy: Annotated[
        bool,
        typer.Option("--behind-proxy", help="Nobody reaches --listen but through a proxy that ends TLS."),
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where to write the files.", file_okay=False)] = Path(),
) -> None:
    """Write config.yaml and registration.yaml with fresh secrets (0600). Never overwrites."""
    config_path, registration_path = folder / CONFIG, folder / REGISTRATION
    for path in (config_path, registration_path):
        if path.exists():
            raise CannotStart(
                Reason.FILES_EXIST,
                f"{path} exists already; nothing was written.",
                "Its secrets may be in use: move it away yourself if you really want new ones.",
            )
    raw = fresh_settings(
        server_name=server_name,
        homeserver_url=homeserver_url,
        listen=listen,
        database_url=database_url,
        tenant=tenant,
        behind_proxy=behind_proxy,
    )
    config = _checked(raw)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(config_path, CONFIG_HEADER, raw)
        _write(registration_path, REGISTRATION_HEADER, registration(config))
    except OSError as error:
        raise typer.BadParameter(f"{error.strerror} ({error.filename})", param_hint="--folder") from None
    typer.echo(f"Wrote {config_path} and {registration_path}.")
    typer.echo("\nIn homeserver.yaml, name the registration; then restart the homeserver:\n")
    # JSON, because it is YAML whatever characters the path has.
    typer.echo(f"app_service_config_files: [{json.dumps(str(registration_path.resolve()))}]")
    typer.echo(f"\nThen: festimo run --config {config_path}")


def _checked(raw: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("What was given", tuple(problems_of(error, Config))) from None


def _write(path: Path, header: str, content: dict[str, Any]) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(header + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
