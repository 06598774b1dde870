"""A benchmark on each kind of database that is asked for, one after the other; all that it started ends with it."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from benchmarks.arguments import arguments
from bridge import logs
from tests.servers.postgres import PostgresServer

T = TypeVar("T")
Measure = Callable[[Path, bool, PostgresServer | None], Awaitable[T]]
"""An empty folder; whether it is to be quick; the server for its databases, or None where they are SQLite's files."""


def say(text: str) -> None:
    print(text, flush=True)


def run(module: str, about: str | None, measure: Measure[T], table: Callable[[dict[str, T]], str]) -> None:
    """Print the table of what is known after each. `module`, `about`: for `--help`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go with us
    asked = arguments(module, about)
    logs.set_up("error")
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    load = os.getloadavg()[0]
    found: dict[str, T] = {}
    for database in asked.databases:
        say(f"{database}:")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="festimo-bench-")))
            server = None
            if database == "PostgreSQL":
                server = stack.enter_context(PostgresServer(durable=True))
            found[database] = asyncio.run(_whole(measure(folder, asked.quick, server)))
        say(f"\nload when it began: {load:.1f}\n\n{table(found)}\n")


async def _whole(measured: Awaitable[T]) -> T:
    return await measured


def of_installation(server: PostgresServer | None) -> tuple[str | None, str | None]:
    """URLs of the bridge's database and the homeserver's, for `ground`."""
    return (
        (None, None)
        if server is None
        else (server.create_database("bridge"), server.create_database("synapse"))
    )
