"""A program of the tenant's: a real HTTP server that verifies what it is sent with the reference library."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from bridge.web.server import serve
from bridge.webhooks.signing import ID

CANARY = "canary in an answer"


@dataclass(slots=True)
class Receiver:
    """`secrets`: each must verify. `answers`: for each path, the next statuses; 204 once there are none left.

    `hold`: nothing is answered there until it is set.
    """

    port: int = 0
    secrets: list[str] = field(default_factory=list)
    took: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    hold: dict[str, asyncio.Event] = field(default_factory=dict)
    refuses: Callable[[dict[str, Any]], int | None] = lambda body: None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def types(self) -> list[str]:
        return [str(body["type"]) for body in self.took]

    async def until(self, how_many: int) -> None:
        """They were taken."""
        async with asyncio.timeout(20):
            while len(self.took) < how_many:
                self.came.clear()
                await self.came.wait()

    async def handle(self, request: web.Request) -> web.Response:
        text = (await request.read()).decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        for secret in self.secrets:
            Webhook(secret).verify(text, headers)
        body: dict[str, Any] = json.loads(text)
        assert headers[ID] == body["id"]
        held = self.hold.get(request.path)
        if held is not None:
            await held.wait()
        waiting = self.answers.get(request.path)
        status = waiting.pop(0) if waiting else self.refuses(body) or 204
        if status == 302:
            return web.Response(status=302, headers={"Location": self.url("/elsewhere")})
        if status == 429:
            return web.Response(status=429, headers={"Retry-After": "60"})
        if 200 <= status < 300:
            self.took.append(body)
            self.headers.append(headers)
            self.came.set()
        return web.Response(status=status, text=None if status == 204 else CANARY * 10_000)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    server = await serve(app, host="127.0.0.1", port=0)
    receiver.port = server.port
    try:
        yield receiver
    finally:
        for held in receiver.hold.values():
            held.set()
        await server.stop()
