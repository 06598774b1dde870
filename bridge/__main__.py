"""The command line: `festimo --help`. Translates errors into a message, a fix and an exit code."""

import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvloop
import yaml

from bridge import logs
from bridge.commands import api_key, dead_letters, webhooks
from bridge.commands.backup import backup, restore
from bridge.commands.doctor import doctor
from bridge.commands.failure import EXIT_FAILED, cannot_start
from bridge.commands.init import init
from bridge.commands.rotate_master_key import rotate_master_key
from bridge.config import Config, load
from bridge.core.errors import Refusal

app = typer.Typer(
    name="festimo",
    help="Festimo Bridge: one end-to-end encrypted Matrix room per party-vendor conversation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, secrets included
)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration; see config.example.yaml.", dir_okay=False)
]
DEFAULT_CONFIG = Path("config.yaml")
GARBAGE = 10_000
"""More objects than before, since Python last looked for those that hold each other and nobody else holds."""
app.command()(init)
app.command()(backup)
app.command()(restore)
app.command()(doctor)
app.command()(rotate_master_key)
app.add_typer(api_key.app, name="api-key")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(webhooks.app, name="webhooks")


@app.command()
def run(
    config: ConfigOption = DEFAULT_CONFIG,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    patience: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait for a homeserver that was never met before.")
    ] = None,
) -> None:
    """Run the bridge until it is told to stop (Ctrl-C or SIGTERM)."""
    if log_level not in ("debug", "info", "warning", "error"):
        raise typer.BadParameter("one of debug, info, warning, error", param_hint="--log-level")
    logs.set_up(log_level)  # type: ignore[arg-type] # checked above
    uvloop.run(_run(load(config), patience))


@app.command()
def check_config(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Say everything that is wrong with the configuration, with the key and the fix."""
    load(config)
    typer.echo(f"{config} is complete.")


@app.command()
def registration(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print the registration file for the homeserver. It holds secrets: write it where only Synapse can read it."""
    from appservice.registration import registration as made

    typer.echo(yaml.safe_dump(made(load(config)), sort_keys=False), nl=False)


@app.command()
def recovery_key(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print the bot's recovery key: it opens its key backup and its identity to a Matrix client. Show it to nobody."""
    from appservice.encryption.recovery import Recovery
    from appservice.names import Names

    loaded = load(config)
    ours = loaded.appservice
    bot = Names(loaded.homeserver.server_name, ours.bot_localpart, ours.ghost_prefix).bot
    secret = loaded.encryption.identity_secret.get_secret_value()
    typer.echo(Recovery.derive(secret, bot).recovery_key)


@app.command()
def accept_identity(
    user: Annotated[str, typer.Argument(help="The user's Matrix id, such as @vendor:example.org.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Share room keys again with a user who has reset their identity. Make sure first that it was really they."""
    if not asyncio.run(_accept_identity(load(config), user)):
        _exit(f"{user} is not known here, or has no identity: nothing was changed.", EXIT_FAILED)
    typer.echo(f"The present identity of {user} is accepted from now on.")


@app.command()
def openapi() -> None:
    """Print the REST API's description (OpenAPI 3.1)."""
    from bridge.platform.rest import openapi as made

    typer.echo(json.dumps(made(), indent=1))


@app.command()
def asyncapi() -> None:
    """Print the description of the WebSockets and the bus (AsyncAPI 3.0)."""
    from bridge.platform.rest import asyncapi as made

    typer.echo(json.dumps(made(), indent=1))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End by itself after the story.")] = False,
) -> None:
    """See it work: a private homeserver, real encrypted clients, a platform that sends events."""
    from bridge.demo.story import run as play

    logs.set_up("error")
    logging.getLogger("nio").setLevel(logging.ERROR)  # tells of each key that has yet to come
    try:
        complete = asyncio.run(play(once=once))
    except KeyboardInterrupt:
        typer.echo("\nThe demo has ended; nothing is left behind.")
        return
    if not complete:
        raise typer.Exit(EXIT_FAILED)


async def _run(config: Config, patience: float | None) -> None:
    from bridge.wiring import running

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(config, patience=patience) as bridge:
        _look_for_garbage_in_what_is_new()
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([bridge.work, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if bridge.work.done():
            bridge.work.result()  # raises: the work ends only by an error


def _look_for_garbage_in_what_is_new() -> None:
    """All that a start makes is kept to the end. To look through it again and again stopped us for 0.1 s at a time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])


async def _accept_identity(config: Config, user: str) -> bool:
    from appservice.encryption.device_lists import accept_identity as accept
    from bridge.storage.database import open_database

    database = await open_database(config.database.url.get_secret_value())
    try:
        return await accept(database, user)
    finally:
        await database.close()


def _exit(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """`festimo`: as `app`, with every known reason for which it cannot go on told in words, and an exit code.

    `arguments`: instead of those of the process.
    """
    try:
        app(arguments)
    except Refusal as refusal:
        typer.echo(refusal.detail, err=True)
        sys.exit(EXIT_FAILED)
    except Exception as error:
        reason = cannot_start(error)
        if reason is None:
            raise
        typer.echo(f"{reason.what}\n{reason.fix}", err=True)
        sys.exit(int(reason.reason))


if __name__ == "__main__":
    main()
