"""An application service that answers 200 and keeps nothing: it stands at the bridge's address while that is off."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def sink(host: str, port: int) -> AsyncIterator[None]:
    async def taken(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{any:.*}", taken)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
