"""`festimo webhooks`: where what happens is sent, what came of it, and having it sent again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bridge.config import Config, load
from bridge.core.clock import SystemClock
from bridge.core.ids import TenantId
from bridge.storage.database import Database, Transaction, open_database
from bridge.webhooks import rules
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.model import Address, Delivery, Endpoint
from bridge.webhooks.service import Webhooks
from bridge.webhooks.views import SHOWN

Result = TypeVar("Result")
PAGE = 100
NEWEST = 2**62

app = typer.Typer(
    help="Programs that are told what happens (docs/webhooks.md). A running bridge takes notice within seconds.",
    no_args_is_help=True,
)
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration; see config.example.yaml.", dir_okay=False)
]
DEFAULT_CONFIG = Path("config.yaml")
WebhookArgument = Annotated[str, typer.Argument(help="As `festimo webhooks list` shows it.")]
EventOption = Annotated[
    list[str] | None,
    typer.Option(help="Such as `message.sent`, or `message.*`; several times for several. Left out: all."),
]
DescriptionOption = Annotated[str | None, typer.Option(help="What it is for.")]
Act = Callable[[Transaction, Webhooks], Awaitable[Result]]
Look = Callable[[Database, Webhooks], Awaitable[Result]]


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="Whose, as in `platform.tenants`.")],
    url: Annotated[str, typer.Option(help="Where to; https.")],
    event: EventOption = None,
    description: DescriptionOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make one, and print its id and its secret, this once."""
    loaded = load(config)
    if tenant not in {one.id for one in loaded.platform.tenants}:
        raise typer.BadParameter("no tenant of `platform.tenants` has this id", param_hint="--tenant")
    address = Address(url=url, events=event or None, description=description)
    made = _write(loaded, lambda tx, webhooks: webhooks.make(tx, TenantId(tenant), address), url=url)
    _tell_secret(made)


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Of one tenant only.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show all: id, tenant, state, events, URL; no secrets."""
    of = None if tenant is None else TenantId(tenant)
    for one in _read(load(config), lambda database, webhooks: webhooks.of(database, of)):
        state = "enabled" if one.disabled is None else f"disabled ({one.disabled})"
        events = "all" if one.address.events is None else " ".join(one.address.events)
        line = f"{one.endpoint_id}  {one.tenant_id}  {state}  {events}  {one.address.url}"
        typer.echo(line if one.address.description is None else f"{line}  {one.address.description}")


@app.command()
def change(
    webhook: WebhookArgument,
    url: Annotated[str | None, typer.Option(help="Left out: as it is.")] = None,
    event: EventOption = None,
    description: DescriptionOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Give one another URL, other events (all, where none is named), another description."""

    async def act(tx: Transaction, webhooks: Webhooks) -> Endpoint:
        now = await webhooks.get(tx, None, webhook)
        address = Address(
            url=url or now.address.url,
            events=event or None,
            description=description or now.address.description,
        )
        return await webhooks.change(tx, None, webhook, address, enabled=now.disabled is None)

    changed = _write(load(config), act, url=url)
    typer.echo(f"{changed.endpoint_id} is changed.")


@app.command()
def enable(webhook: WebhookArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Have it told again of what happens from now on, and what waited sent."""
    _write(load(config), lambda tx, webhooks: webhooks.switch(tx, None, webhook, enabled=True))
    typer.echo(f"{webhook} is enabled.")


@app.command()
def disable(webhook: WebhookArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Have nothing sent there until it is enabled; what happens meanwhile is not kept for it."""
    _write(load(config), lambda tx, webhooks: webhooks.switch(tx, None, webhook, enabled=False))
    typer.echo(f"{webhook} is disabled.")


@app.command()
def delete(webhook: WebhookArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """End it for good; what waits for it is forgotten."""
    _write(load(config), lambda tx, webhooks: webhooks.delete(tx, None, webhook))
    typer.echo(f"{webhook} is deleted.")


@app.command()
def rotate(
    webhook: WebhookArgument,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=rules.LONGEST_OVERLAP_HOURS, help="For which the former one signs, too.")
    ] = 24,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make another secret, and print it, this once."""
    overlap = overlap_hours * rules.HOUR
    _tell_secret(
        _write(load(config), lambda tx, webhooks: webhooks.rotate(tx, None, webhook, overlap=overlap))
    )


@app.command("test")
def try_(webhook: WebhookArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Have a test sent by the running bridge; `festimo webhooks deliveries` shows what came of it."""
    one = _write(load(config), lambda tx, webhooks: webhooks.test(tx, None, webhook))
    typer.echo(f"{one.happened.event_id} will be sent.")


@app.command()
def deliveries(
    webhook: WebhookArgument,
    state: Annotated[str | None, typer.Option(help="waiting, delivered or dead.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show what was sent there, newest first: event id, time, type, conversation, state, attempts, latest answer."""
    if state not in (None, *SHOWN.values()):
        raise typer.BadParameter("waiting, delivered or dead", param_hint="--state")
    states = [one for one, shown in SHOWN.items() if shown == state]

    async def look(database: Database, webhooks: Webhooks) -> int:
        endpoint = await webhooks.get(database, None, webhook)
        store, shown, before = DeliveryStore(), 0, NEWEST
        while found := await store.newest(
            database, endpoint.endpoint_id, states=states, before=before, limit=PAGE
        ):
            for one in found:
                typer.echo(_line(one))
            shown, before = shown + len(found), found[-1].seq
        return shown

    shown = _read(load(config), look)
    typer.echo(f"{shown} deliver{'y' if shown == 1 else 'ies'}.", err=True)


@app.command()
def replay(
    webhook: WebhookArgument,
    event: Annotated[str | None, typer.Argument(help="An event's id, as `deliveries` shows it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that was given up.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Have one event, or with --all everything that was given up, sent again."""
    if (event is None) is not every:
        raise typer.BadParameter("give an event's id, or --all, and not both")
    loaded = load(config)
    if event is not None:
        asked = event
        _write(loaded, lambda tx, webhooks: webhooks.replay(tx, None, webhook, asked))
        typer.echo(f"{event} will be sent again.")
        return
    count, after = 0, 0
    while True:
        replayed, behind = _write(loaded, _replay_dead(webhook, after))
        count += replayed
        if behind is None:
            break
        after = behind
    typer.echo(f"{count} will be sent again.")


def _replay_dead(webhook: str, after: int) -> Act[tuple[int, int | None]]:
    return lambda tx, webhooks: webhooks.replay_dead(tx, None, webhook, after=after)


def _tell_secret(endpoint: Endpoint) -> None:
    typer.echo(f"{endpoint.endpoint_id}  {endpoint.secrets.current}")
    typer.echo("Keep the secret in a safe place: it is not shown again.", err=True)


def _write(config: Config, act: Act[Result], *, url: str | None = None) -> Result:
    """`url`: that is to be checked first, as that takes the network."""

    async def look(database: Database, webhooks: Webhooks) -> Result:
        from bridge.wiring import courier_of

        if url is not None:
            host = rules.host_of(url, http_allowed=config.webhooks.allow_http)
            await courier_of(config).check(host)
        async with database.transaction() as tx:
            return await act(tx, webhooks)

    return _read(config, look)


def _read(config: Config, look: Look[Result]) -> Result:
    async def run() -> Result:
        from bridge.wiring import webhooks

        database = await open_database(config.database.url.get_secret_value())
        try:
            return await look(database, webhooks(config, SystemClock()))
        finally:
            await database.close()

    return asyncio.run(run())


def _line(one: Delivery) -> str:
    happened = one.happened
    last = one.history[-1] if one.history else None
    answered = "-" if last is None else last.failure or f"status {last.status}"
    return (
        f"{happened.event_id}  {_time(happened.occurred_at)}  {happened.event}  {happened.conversation_id or '-'}"
        f"  {SHOWN[one.state]}  {len(one.history)}x  {answered}"
    )


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
