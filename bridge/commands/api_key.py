"""`festimo api-key`: who may use the REST API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bridge.api_keys.service import ApiKeys
from bridge.commands.failure import EXIT_FAILED
from bridge.config import Config, load
from bridge.core.clock import SystemClock
from bridge.core.ids import TenantId
from bridge.storage.database import open_database

Result = TypeVar("Result")

app = typer.Typer(help="The keys of the REST API: each opens one tenant to a program.", no_args_is_help=True)
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration; see config.example.yaml.", dir_okay=False)
]
DEFAULT_CONFIG = Path("config.yaml")


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="The tenant it opens, as in `platform.tenants`.")],
    name: Annotated[str, typer.Option(help="What it is for, such as the program that will use it.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="All that it is good for, such as `messages:read`; several times for several. Left out: everything."
            " `festimo api-key scopes` lists them."
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make a key and print it, this once: it is kept as a hash only."""
    token = _with_keys(config, lambda keys: keys.create(TenantId(tenant), name=name, scopes=scope or None))
    typer.echo(str(token))
    typer.echo("Keep it in a safe place: it is not shown again.", err=True)


@app.command()
def scopes() -> None:
    """Show what a key can be limited to."""
    from bridge.platform.rest import SCOPES

    for scope in sorted(SCOPES):
        typer.echo(scope)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show all keys, revoked ones too; no secrets."""
    for key in _with_keys(config, lambda keys: keys.all()):
        state = "valid" if key.revoked_at is None else f"revoked {_day(key.revoked_at)}"
        good_for = "everything" if key.scopes is None else " ".join(sorted(key.scopes))
        typer.echo(
            f"{key.key_id}  {key.tenant_id}  made {_day(key.created_at)}  {state}  {good_for}  {key.name}"
        )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `festimo api-key list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End a key at once and for good."""
    if not _with_keys(config, lambda keys: keys.revoke(key_id)):
        typer.echo("No valid key has this id; nothing was changed. See `festimo api-key list`.", err=True)
        raise typer.Exit(EXIT_FAILED)
    typer.echo(f"{key_id} opens nothing any more.")


def _with_keys(path: Path, work: Callable[[ApiKeys], Awaitable[Result]]) -> Result:
    async def run(config: Config) -> Result:
        async with _keys(config) as keys:
            return await work(keys)

    return asyncio.run(run(load(path)))


@asynccontextmanager
async def _keys(config: Config) -> AsyncIterator[ApiKeys]:
    from bridge.wiring import api_keys

    database = await open_database(config.database.url.get_secret_value())
    try:
        yield api_keys(config, database, SystemClock())
    finally:
        await database.close()


def _day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")
