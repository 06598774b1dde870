"""The bridge as a process of its own: started on its database file, killed at any moment, started again."""

import asyncio
import contextlib
import json
import random
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, cast
from unittest import mock

import structlog
from aiohttp import StreamReader
from aiohttp.test_utils import make_mocked_request

from appservice.homeserver import Homeserver
from bridge.config import Config
from bridge.core.clock import Clock
from bridge.storage.database import Database, DatabaseError, open_database
from bridge.wiring import Parts, assembled
from tests.simulation.faults import Faults, Life, Line, MortalDatabase
from tests.simulation.hook import Hook, Post

log = structlog.get_logger(__name__)


class Process:
    """One life of it. Whatever it was about to do when it dies has not been done."""

    def __init__(self, faults: Faults) -> None:
        self._life = Life(faults)
        self._stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.parts: Parts

    async def start(
        self, config: Config, homeserver: object, clock: Clock, *, hook: Hook | None = None
    ) -> None:
        async def open_(url: str) -> Database:
            return MortalDatabase(await open_database(url, clock=clock), self._life)

        line = cast(Homeserver, Line(homeserver, self._life))
        with contextlib.ExitStack() as put_together:
            if hook is not None:
                post = Post(hook, self._life)
                put_together.enter_context(mock.patch("bridge.wiring.webhooks.courier_of", return_value=post))
            self.parts = await self._stack.enter_async_context(assembled(config, line, clock, open_=open_))
        self._app = self.parts.app()
        self._app.freeze()
        self._work = self._spawn(self.parts.work())

    async def until_it_ends(self) -> BaseException | None:
        """Return why it ended by itself; None where it was killed. Nothing of it is left when this returns."""
        killed = asyncio.create_task(self._life.over.wait())
        await asyncio.wait([killed, self._work], return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        failed = self._work.done() and not self._work.cancelled() and not self._life.over.is_set()
        self._life.over.set()
        for task in [*self._tasks]:
            task.cancel()
        while self._tasks:
            await asyncio.wait([*self._tasks])
        await self._stack.aclose()
        return self._work.exception() if failed else None

    def kill(self) -> None:
        self._life.over.set()

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any] | None:
        """As over HTTP: status and JSON, or None where it died over it."""
        if self._life.over.is_set():
            return None
        task = self._spawn(self._handle(method, path, headers, body))
        await asyncio.wait([task])
        return None if task.cancelled() or self._life.over.is_set() else task.result()

    async def _handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        payload = StreamReader(mock.Mock(_reading_paused=False), 2**16, loop=asyncio.get_running_loop())
        payload.feed_data(body)
        payload.feed_eof()
        request = make_mocked_request(method, path, dict(headers), payload=payload)
        answer = cast(Any, await self._app._handle(request))
        return answer.status, json.loads(answer.body)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class Supervisor:
    """Starts it again whenever it has ended, as systemd would."""

    def __init__(
        self,
        config: Config,
        homeserver: object,
        clock: Clock,
        faults: Faults,
        order: random.Random,
        hook: Hook | None = None,
    ) -> None:
        self._config, self._homeserver, self._clock = config, homeserver, clock
        self._faults = faults
        self._random = order
        self._hook = hook
        self.down_for = 1.0
        """Seconds until the next start."""
        self.process: Process | None = None
        self.lives = 0
        self._wanted = asyncio.Event()

    def start_now(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        while True:
            process = Process(self._faults)
            try:
                await process.start(self._config, self._homeserver, self._clock, hook=self._hook)
            except DatabaseError:  # it says so, and ends
                await asyncio.sleep(1)
                continue
            self.process, self.lives = process, self.lives + 1
            failure = await process.until_it_ends()
            self.process = None
            if failure is not None and not _may_end_it(failure):
                raise failure
            self._wanted.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), self.down_for)
            self.down_for = 1.0

    def kill(self, *, down_for: float) -> None:
        if self.process is not None:
            self.down_for = down_for
            self.process.kill()

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any] | None:
        process = self.process
        return None if process is None else await process.request(method, path, headers=headers, body=body)


def _may_end_it(failure: BaseException) -> bool:
    """A database that is away while it starts to work."""
    if isinstance(failure, BaseExceptionGroup):
        return all(_may_end_it(one) for one in failure.exceptions)
    return isinstance(failure, DatabaseError)
