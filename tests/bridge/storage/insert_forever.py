"""A program to be killed: writes notes, ten at once, and prints the name of each one once it is stored."""

import asyncio
import sys
from itertools import count

from tests.bridge.storage.notes import add_note, open_notes


async def insert_forever(url: str, prefix: str) -> None:
    database = await open_notes(url)
    numbers = count()

    async def insert() -> None:
        for number in numbers:
            name = f"{prefix}.{number}"
            await add_note(database, name, body=b"x" * (number % 5000))
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(insert())


if __name__ == "__main__":
    asyncio.run(insert_forever(*sys.argv[1:]))
