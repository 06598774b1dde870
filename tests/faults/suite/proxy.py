"""Proxies that misbehave when told: one that understands HTTP, one that passes bytes (PostgreSQL)."""

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

from appservice.embedded.settings import LOOPBACK

LARGEST_BODY = 1 << 27
_HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
_RST = struct.pack("ii", 1, 0)
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Exchange:
    """A request on its way. `forward` may be called never, once or twice."""

    request: web.BaseRequest
    body: bytes
    forward: Callable[[], Awaitable[Answer]]

    def hang_up(self) -> None:
        """RST: whoever waits is told that the connection is gone."""
        transport = self.request.transport
        if transport is not None:
            connection = transport.get_extra_info("socket")
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            transport.abort()


Act = Callable[[Exchange], Awaitable[Answer | None]]
"""What to do with a request. None: nothing is answered, the connection is gone."""


@dataclass(slots=True)
class Rule:
    """Holds for requests whose "METHOD /path" it matches, `times` of them, each with `chance`."""

    pattern: re.Pattern[str]
    act: Act
    chance: float
    times: float
    met: int = 0

    def takes(self, line: str, random: Random) -> bool:
        if self.met >= self.times or not self.pattern.search(line) or random.random() >= self.chance:
            return False
        self.met += 1
        return True


class HttpProxy:
    """In front of `upstream`. The first rule that takes a request decides; without one it is passed on."""

    def __init__(self, port: int, upstream: str) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        self._port = port
        self._upstream = upstream
        self._rules: list[Rule] = []
        self._random = Random(0)
        self._web = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._server: asyncio.Server | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(), auto_decompress=False
        )
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()
        await self._web.shutdown(0)
        if self._session is not None:
            await self._session.close()

    async def accept(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._web, LOOPBACK, self._port, reuse_address=True)

    async def refuse(self) -> None:
        """Nobody listens any more, and what was connected is cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._web.connections):
            if connection.transport is not None:
                connection.transport.abort()

    @contextmanager
    def rule(
        self, pattern: str, act: Act, random: Random, *, chance: float = 1.0, times: float = float("inf")
    ) -> Iterator[Rule]:
        """While the block lasts."""
        self._random = random
        made = Rule(re.compile(pattern), act, chance, times)
        self._rules.append(made)
        try:
            yield made
        finally:
            self._rules.remove(made)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request._client_max_size = LARGEST_BODY
        body = await request.read()
        exchange = Exchange(request, body, lambda: self._forward(request, exchange.body))
        line = f"{request.method} {request.rel_url.raw_path}"
        act = next((rule.act for rule in self._rules if rule.takes(line, self._random)), None)
        try:
            answer = await (act(exchange) if act is not None else exchange.forward())
        except aiohttp.ClientError:  # the server behind us is gone, and so are we
            answer = None
        if answer is None:
            exchange.hang_up()
            return web.Response(status=502)  # nobody gets it
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def _forward(self, request: web.BaseRequest, body: bytes) -> Answer:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"{self._upstream}{request.raw_path}"
        async with self._session.request(
            request.method, URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
        ) as response:
            raw = await response.read()
            kept = {
                name: value for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP
            }
            return Answer(response.status, raw, kept)


class TcpProxy:
    """In front of a server that speaks anything."""

    def __init__(self, port: int, upstream_port: int) -> None:
        self.port = port
        self.delay = 0.0
        """Seconds by which everything is late."""
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()

    async def accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._connected, LOOPBACK, self.port, reuse_address=True
            )

    async def refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> int:
        """Every connection, as a router does that has forgotten them. Return how many ends it has cut."""
        cut = list(self._writers)
        for writer in cut:
            writer.transport.abort()
        return len(cut)

    def stall(self) -> None:
        """Connections stay, nothing passes."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(LOOPBACK, self._upstream_port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, inner_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, inner_writer))
                tasks.create_task(self._pass(inner_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._flows.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:  # cut at one end: whoever is at the other must not wait for more, with its locks
            writer.transport.abort()
