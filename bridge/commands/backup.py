"""`festimo backup` and `festimo restore`: the whole database in one sealed file, and back."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bridge.config import Config, load
from bridge.core.clock import SystemClock
from bridge.storage.backup.file import Secrets
from bridge.storage.backup.make import back_up
from bridge.storage.backup.restore import Put
from bridge.storage.backup.restore import restore as put_back

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration; see config.example.yaml.", dir_okay=False)
]
DEFAULT_CONFIG = Path("config.yaml")


def backup(
    file: Annotated[Path, typer.Argument(help="A file that is not there yet.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write all that the database holds, keys included, into one sealed file; the bridge may run."""
    loaded = load(config)
    made = asyncio.run(
        back_up(loaded.database.url.get_secret_value(), file, _secrets(loaded), clock=SystemClock())
    )
    typer.echo(f"Wrote {file}: {made.rows} rows, {made.size} bytes, as of {_time(made.taken_at)}.")
    typer.echo(
        f"Without {config} nobody can open it, and it does not hold it: keep a copy of that apart from the backups."
        " See docs/backup.md.",
        err=True,
    )


def restore(
    file: Annotated[Path, typer.Argument(help="Made by `festimo backup`.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Lose what the database holds, if it holds anything.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put a backup into the configuration's database, of whichever kind. Stop the bridge first."""
    put = asyncio.run(_restore(load(config), file, replace=replace))
    moment = _time(put.taken_at)
    typer.echo(f"The database is what it was at {moment}: {put.rows} rows. Start the bridge.")
    typer.echo(
        f"What the platform sent since {moment} is not in it: have it sent again. API keys revoked since then are valid"
        " again: `festimo api-key list`. See docs/backup.md.",
        err=True,
    )


async def _restore(config: Config, file: Path, *, replace: bool) -> Put:
    from appservice.generation import mark_restored

    return await put_back(
        config.database.url.get_secret_value(),
        file,
        _secrets(config),
        replace=replace,
        clock=SystemClock(),
        finish=mark_restored,
    )


def _secrets(config: Config) -> Secrets:
    return Secrets(
        master_key=config.storage.master_key.get_secret_value(),
        pickle_key=config.encryption.pickle_key.get_secret_value(),
        identity_secret=config.encryption.identity_secret.get_secret_value(),
        former_master_key=config.storage.former,
    )


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
