"""`festimo rotate-master-key`: from here on the database needs another `storage.master_key`."""

import asyncio
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from bridge.config import Config, load
from bridge.core.clock import SystemClock
from bridge.core.errors import Refusal
from bridge.storage.backup.restore import alone
from bridge.storage.database import open_database
from bridge.storage.rewrap import Rewrapping

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration; see config.example.yaml.", dir_okay=False)
]
DEFAULT_CONFIG = Path("config.yaml")


class NoFormerKey(Refusal):
    code: ClassVar[str] = "no_former_key"


def rotate_master_key(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Wrap every key in the database by the new `storage.master_key`. Stop the bridge first, or let it do this itself.

    Beforehand: move the key so far to `storage.former_master_key`, put the new one in its place.
    """
    loaded = load(config)
    if loaded.storage.former is None:
        raise NoFormerKey(
            f"There is nothing to change: {config} names no `storage.former_master_key`. Move the present key there and"
            " put a new one in its place (openssl rand -base64 32). Nothing was changed."
        )
    count = asyncio.run(_rotate(loaded))
    typer.echo(f"{count} keys are wrapped by `storage.master_key` now, and none by another.")
    typer.echo(
        f"Remove `storage.former_master_key` from {config}, and keep that key as long as the backups made with it."
        " See docs/backup.md.",
        err=True,
    )


async def _rotate(config: Config) -> int:
    from bridge.wiring import sealer_of

    url = config.database.url.get_secret_value()
    async with alone(url):
        database = await open_database(url)
        try:
            sealer = sealer_of(config, SystemClock())
            await sealer.check(database)
            return await Rewrapping(database, sealer).all()
        finally:
            await database.close()
