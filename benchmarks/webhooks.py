"""How many events a second reach a webhook, and what one costs where there is none.

    python -m benchmarks.webhooks [--database sqlite|postgresql] [--quick]

Recorded in turn, each in a transaction of its own, in 100 conversations; then all that waits is planned, delivered
and noted. Taken by a receiver in the same process, which verifies each signature. Beside it, in the same run: plain
requests to that receiver, as many at once, without a database.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from tempfile import TemporaryDirectory

from bridge.storage.database import open_database
from bridge.webhooks.delivering import AT_ONCE
from bridge.webhooks.signing import ID
from tests.bridge.webhooks.post import Post, said
from tests.bridge.webhooks.receiver import Receiver, receiving
from tests.servers.postgres import PostgresServer

CONVERSATIONS = 100
FULL, QUICK = 3_000, 300
"""Events."""


async def measure(url: str, how_many: int) -> None:
    async with AsyncExitStack() as stack:
        database = await open_database(url)
        stack.push_async_callback(database.close)
        receiver = await stack.enter_async_context(receiving())
        post = Post(database)
        await stack.enter_async_context(post.courier)

        alone = await timed(lambda: recorded(post, how_many))
        without = await timed(post.plan)
        plain = await timed(lambda: requested(post, receiver, how_many))
        endpoint = await post.make(receiver.url())
        receiver.secrets = [endpoint.secrets.current]
        receiver.took.clear()
        await recorded(post, how_many)
        work = [
            asyncio.create_task(one) for one in (post.feed.run(), post.planner.run(), post.deliverer.run())
        ]
        through = await timed(lambda: taken(receiver, how_many))
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    print(
        f"no webhook:   {per_second(how_many, alone)} recorded, put in order in {without * 1e6 / how_many:.0f} us each"
    )
    print(f"one webhook:  {per_second(how_many, through)} put in order, planned, delivered, noted")
    print(f"the receiver: {per_second(how_many, plain)} plain requests, {AT_ONCE} at once")


async def recorded(post: Post, how_many: int) -> None:
    for number in range(how_many):
        await post.happens(said(f"m{number}", f"c{number % CONVERSATIONS}"))


async def taken(receiver: Receiver, how_many: int) -> None:
    while len(receiver.took) < how_many:
        receiver.came.clear()
        await receiver.came.wait()


async def requested(post: Post, receiver: Receiver, how_many: int) -> None:
    left = iter(range(how_many))

    async def ask() -> None:
        for number in left:
            body = f'{{"type": "plain", "id": "{number}"}}'
            await post.courier.carry(receiver.url(), body=body, headers={ID: str(number)})

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def per_second(how_many: int, seconds: float) -> str:
    return f"{how_many / seconds:6.0f}/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    with ExitStack() as stack:
        if asked.database == "sqlite":
            folder = stack.enter_context(TemporaryDirectory(dir="."))
            url = f"sqlite:///{folder}/bridge.db"
        else:
            url = stack.enter_context(PostgresServer()).create_database("bench")
        asyncio.run(measure(url, QUICK if asked.quick else FULL))


if __name__ == "__main__":
    main()
