"""For whoever runs the bridge: `/health/...` and `/metrics`. Tells nothing about anybody."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Check = Callable[[], Awaitable[str | None]]
"""Returns what is wrong and what to do, or None."""


def routes(
    checks: Mapping[str, Check],
    *,
    remarks: Mapping[str, Check],
    leads: Callable[[], bool],
    before_metrics: Callable[[], Awaitable[None]],
) -> list[web.RouteDef]:
    """`checks`: by the name of the part; all must pass for the bridge to be ready. `remarks` are told beside them.

    `leads`: whether this is the process that works; a balancer sends everything there. It leads before it is ready,
    as to become ready it must be reached.
    """

    async def live(request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def leader(request: web.Request) -> web.Response:
        if leads():
            return web.json_response({"status": "leads"})
        return web.json_response({"status": "waits"}, status=503)

    async def ready(request: web.Request) -> web.Response:
        found = {name: await check() for name, check in checks.items()}
        wrong = {name: what for name, what in found.items() if what is not None}
        found |= {name: await remark() for name, remark in remarks.items()}
        answer = {
            "status": "not ready" if wrong else "ready",
            "checks": {name: what or "ok" for name, what in found.items()},
        }
        return web.json_response(answer, status=503 if wrong else 200)

    async def metrics(request: web.Request) -> web.Response:
        await before_metrics()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [
        web.get("/health/live", live),
        web.get("/health/leader", leader),
        web.get("/health/ready", ready),
        web.get("/metrics", metrics),
    ]
