"""What probes are told, and that they are told in time."""

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bridge.web import health


async def nothing() -> None:
    return None


async def test_a_check_without_an_answer_is_told_in_time_and_asked_once() -> None:
    asked, answer = 0, asyncio.Event()

    async def slow() -> str | None:
        nonlocal asked
        asked += 1
        await answer.wait()
        return None

    app = web.Application()
    app.add_routes(
        health.routes(
            {"database": slow, "homeserver": nothing},
            remarks={"key_backup": nothing},
            leads=lambda: True,
            before_metrics=nothing,
            within=0.01,
        )
    )
    async with TestClient(TestServer(app)) as client:
        probes = await asyncio.gather(*(client.get("/health/ready") for _ in range(3)))
        for probe in probes:
            assert probe.status == 503
            checks = (await probe.json())["checks"]
            assert checks == {
                "database": "gives no answer within 0.01 s",
                "homeserver": "ok",
                "key_backup": "ok",
            }
        assert asked == 1
        answer.set()
        await asyncio.sleep(0)
        assert (await client.get("/health/ready")).status == 200


async def test_a_remark_does_not_make_it_not_ready() -> None:
    async def worth_knowing() -> str | None:
        return "two messages could not be read"

    app = web.Application()
    app.add_routes(
        health.routes(
            {"database": nothing},
            remarks={"undecryptable": worth_knowing},
            leads=lambda: True,
            before_metrics=nothing,
        )
    )
    async with TestClient(TestServer(app)) as client:
        ready = await client.get("/health/ready")
        assert ready.status == 200
        assert (await ready.json())["checks"]["undecryptable"] == "two messages could not be read"
