import asyncio

import pytest
from aiohttp import ClientConnectionError, ClientSession, web

from bridge.web.server import serve


def application(release: asyncio.Event) -> web.Application:
    async def wait(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response(text="done")

    app = web.Application()
    app.add_routes([web.get("/", wait)])
    return app


async def test_it_serves_until_it_is_stopped() -> None:
    release = asyncio.Event()
    release.set()
    server = await serve(application(release), host="127.0.0.1", port=0)
    async with ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{server.port}/") as response:
            assert await response.text() == "done"
        await server.stop()
        with pytest.raises(ClientConnectionError):
            await session.get(f"http://127.0.0.1:{server.port}/")


async def test_a_running_request_is_answered_before_the_end() -> None:
    release = asyncio.Event()
    started = asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        started.set()
        await release.wait()
        return web.Response(text="done")

    app = web.Application()
    app.add_routes([web.get("/", wait)])
    server = await serve(app, host="127.0.0.1", port=0)
    async with ClientSession() as session, asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(session.get(f"http://127.0.0.1:{server.port}/"))
        await started.wait()
        stopped = tasks.create_task(server.stop())
        await asyncio.sleep(0)
        assert not stopped.done()
        release.set()
        async with await answer as response:
            assert await response.text() == "done"


async def test_a_port_in_use_is_an_error_that_leaves_nothing_open() -> None:
    release = asyncio.Event()
    first = await serve(application(release), host="127.0.0.1", port=0)
    try:
        with pytest.raises(OSError):
            await serve(application(release), host="127.0.0.1", port=first.port)
    finally:
        await first.stop()
