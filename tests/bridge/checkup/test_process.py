"""What the doctor says of a bridge that runs: ready or not is what it says itself, and remarks are no unreadiness."""

from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.checkup.process import Process
from bridge.core.checkup import Suspicious


@pytest.mark.parametrize("status", ["ready", "not ready"])
async def test_a_remark_is_told_and_does_not_make_it_not_ready(status: str) -> None:
    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"status": status, "checks": {"database": "ok", "backlog": "1 dead"}})

    bridge = web.Application()
    bridge.add_routes([web.get("/health/ready", ready)])
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        server = await stack.enter_async_context(TestServer(bridge, host="127.0.0.1"))
        assert server.port is not None
        process = Process("127.0.0.1", server.port, session, stack)
        with pytest.raises(Suspicious) as told:
            await process.check(web.Application())
    assert told.value.what == f"runs, and is {status}: backlog: 1 dead"
