"""A TCP relay that chooses where each connection goes, and can go silent as a network does that is cut."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from appservice.embedded.settings import LOOPBACK

Choose = Callable[[], Awaitable[int]]
"""The port on this machine where connections go now; those to another one are ended."""
CHUNK = 65_536
CHOOSE_EVERY = 0.5


class Relay:
    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._port: int | None = None

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._flows.clear()

    def mend(self) -> None:
        self._flows.set()

    @asynccontextmanager
    async def at(self, port: int) -> AsyncIterator["Relay"]:
        server = await asyncio.start_server(self._connected, LOOPBACK, port)
        choosing = asyncio.create_task(self._keep_choosing())
        try:
            yield self
        finally:
            choosing.cancel()
            server.close()
            tasks = {*self._tasks, choosing}
            self._end_all()
            await asyncio.wait(tasks)

    async def _keep_choosing(self) -> None:
        while True:
            port = await self._choose()
            if port != self._port:
                self._end_all()
            self._port = port
            await asyncio.sleep(CHOOSE_EVERY)

    def _end_all(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there = None
        try:
            await self._flows.wait()
            back, there = await asyncio.open_connection(LOOPBACK, self._port or await self._choose())
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass_on(reader, there))
                tasks.create_task(self._pass_on(back, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, there):
                if end is not None:
                    end.close()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK):
            await self._flows.wait()
            sink.write(data)
            await sink.drain()
        await self._flows.wait()
        with suppress(OSError, RuntimeError):
            sink.write_eof()
