"""`festimo dead-letters`: what could not be applied or delivered, and trying it again. Never what was said."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bridge.admin.dead_letters.model import DeadLetter, Filter, Place, QueueName, Replayed
from bridge.admin.dead_letters.service import DeadLetters
from bridge.commands.failure import EXIT_FAILED
from bridge.config import Config, load
from bridge.core.clock import SystemClock
from bridge.core.ids import ConversationId, TenantId
from bridge.storage.database import Database, open_database

Result = TypeVar("Result")
PAGE = 100
QUEUES: dict[str | None, QueueName | None] = {None: None, "inbox": "inbox", "outbox": "outbox"}

app = typer.Typer(
    help="What could not be applied or delivered, with the reason: list it, have it tried again.",
    no_args_is_help=True,
)
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration; see config.example.yaml.", dir_okay=False)
]
DEFAULT_CONFIG = Path("config.yaml")
QueueOption = Annotated[str | None, typer.Option(help="inbox (came in) or outbox (to go out).")]
TopicOption = Annotated[str | None, typer.Option(help="Such as matrix.MessagePosted.")]
ConversationOption = Annotated[str | None, typer.Option(help="A conversation's id.")]
TenantOption = Annotated[str | None, typer.Option(help='A tenant; "" for what belongs to none.')]
LetterArgument = Annotated[str, typer.Argument(help="As `festimo dead-letters list` shows it.")]
Work = Callable[[Database, DeadLetters], Awaitable[Result]]


@app.command("list")
def list_(
    queue: QueueOption = None,
    topic: TopicOption = None,
    conversation: ConversationOption = None,
    tenant: TenantOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show all dead letters, newest first: id, when it died, tenant, conversation, topic, attempts, reason."""
    wanted = _filter(queue, topic, conversation, tenant)

    async def work(_: Database, letters: DeadLetters) -> int:
        shown = 0
        before: Place | None = None
        while found := await letters.newest(wanted, before=before, limit=PAGE):
            for letter in found:
                typer.echo(_line(letter))
            shown += len(found)
            before = found[-1].place
        return shown

    shown = _with_letters(config, work)
    typer.echo(f"{shown} dead letter{'' if shown == 1 else 's'}.", err=True)


@app.command()
def show(dead_letter: LetterArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show one, and what became of it since it was replayed."""
    letter = _with_letters(config, lambda _, letters: letters.get(None, dead_letter))
    for name, value in (
        ("id", letter.letter_id),
        ("state", letter.state),
        ("queue", letter.queue),
        ("lane", letter.lane),
        ("topic", letter.topic),
        ("tenant", letter.tenant_id or "none"),
        ("conversation", letter.conversation_id or "not known"),
        ("item", letter.item_id),
        ("attempts", letter.attempts),
        ("recorded", _time(letter.created_at)),
        ("died", "-" if letter.died_at is None else _time(letter.died_at)),
        ("reason", letter.reason or "-"),
    ):
        typer.echo(f"{name + ':':14}{value}")


@app.command()
def replay(
    dead_letter: Annotated[str | None, typer.Argument(help="An id as `list` shows it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of the filter; without any, all.")] = False,
    queue: QueueOption = None,
    topic: TopicOption = None,
    conversation: ConversationOption = None,
    tenant: TenantOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Have one, or with --all many, tried again. A running bridge begins within 10 s."""
    wanted = _filter(queue, topic, conversation, tenant)
    if (dead_letter is None) is not every or (dead_letter is not None and wanted != Filter()):
        raise typer.BadParameter("give an id, or --all with whatever filters, and not both")
    if dead_letter is not None:
        asked = dead_letter

        async def one(database: Database, letters: DeadLetters) -> DeadLetter:
            async with database.transaction() as tx:
                return await letters.replay(tx, None, asked)

        letter = _with_letters(config, one)
        typer.echo(f"{letter.letter_id} is {letter.state}: it will be tried again.")
        return
    count, refused = _with_letters(config, lambda database, letters: _replay_all(database, letters, wanted))
    typer.echo(f"{count} will be tried again.")
    for line in refused:
        typer.echo(line, err=True)
    if refused:
        raise typer.Exit(EXIT_FAILED)


async def _replay_all(database: Database, letters: DeadLetters, wanted: Filter) -> tuple[int, list[str]]:
    count, refused = 0, list[str]()
    after: Place | None = None
    while True:
        async with database.transaction() as tx:
            replayed: Replayed = await letters.replay_all(tx, wanted, after=after)
        count += replayed.count
        refused += [f"{letter_id} stays dead: {reason}" for letter_id, reason in replayed.refused]
        after = replayed.next
        if after is None:
            return count, refused


def _filter(queue: str | None, topic: str | None, conversation: str | None, tenant: str | None) -> Filter:
    if queue not in QUEUES:
        raise typer.BadParameter("inbox or outbox", param_hint="--queue")
    return Filter(
        tenant_id=None if tenant is None else TenantId(tenant),
        queue=QUEUES[queue],
        topic=topic,
        conversation_id=None if conversation is None else ConversationId(conversation),
    )


def _with_letters(path: Path, work: Work[Result]) -> Result:
    async def run(config: Config) -> Result:
        from bridge.wiring import dead_letters

        database = await open_database(config.database.url.get_secret_value())
        try:
            return await work(database, dead_letters(config, database, SystemClock()))
        finally:
            await database.close()

    return asyncio.run(run(load(path)))


def _line(letter: DeadLetter) -> str:
    died = "-" if letter.died_at is None else _time(letter.died_at)
    return (
        f"{letter.letter_id}  {died}  {letter.tenant_id or '-'}  {letter.conversation_id or '-'}  {letter.topic}"
        f"  {letter.attempts}x  {letter.reason}"
    )


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
