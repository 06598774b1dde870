"""The database that each private Synapse of the tests begins with: to make one takes as long as the rest of a start."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from appservice.embedded.settings import DATABASE
from appservice.embedded.synapse import Synapse

QUICK = {"background_updates": {"sleep_enabled": False}}
LEFT = "SELECT COUNT(*) FROM background_updates"
LIMIT = 60.0


async def never_used(folder: Path) -> Path:
    """The database of a Synapse that nobody has used, and that has nothing left to bring up to date."""
    async with Synapse(folder / "synapse", settings=QUICK) as synapse:
        async with asyncio.timeout(LIMIT):
            while _left(synapse.folder / DATABASE):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)
    copy = folder / DATABASE
    with closing(sqlite3.connect(synapse.folder / DATABASE)) as made, closing(sqlite3.connect(copy)) as ours:
        made.backup(ours)
    return copy


def _left(database: Path) -> int:
    with closing(sqlite3.connect(database)) as made:
        (number,) = made.execute(LEFT).fetchone()
    return int(number)
