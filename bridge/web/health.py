"""For whoever runs the bridge: `/health/...` and `/metrics`. Tells nothing about anybody."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Check = Callable[[], Awaitable[str | None]]
"""Returns what is wrong and what to do, or None."""


ANSWER_WITHIN = 3.0
"""Seconds, for each check: whoever probes us does not wait as long as a dead database makes us wait."""


class _Bounded:
    """A check that is told to be slow in time. It is asked again only once it has answered."""

    def __init__(self, check: Check, within: float) -> None:
        self._check = check
        self._within = within
        self._asking: asyncio.Task[str | None] | None = None

    async def __call__(self) -> str | None:
        asking = self._asking or asyncio.ensure_future(self._ask())
        self._asking = asking
        done, _ = await asyncio.wait((asking,), timeout=self._within)
        if not done:
            return f"gives no answer within {self._within:g} s"
        if self._asking is asking:
            self._asking = None
        return asking.result()

    async def _ask(self) -> str | None:
        return await self._check()


def routes(
    checks: Mapping[str, Check],
    *,
    remarks: Mapping[str, Check],
    leads: Callable[[], bool],
    before_metrics: Callable[[], Awaitable[None]],
    within: float = ANSWER_WITHIN,
) -> list[web.RouteDef]:
    """`checks`: by the name of the part; all must pass for the bridge to be ready. `remarks` are told beside them.

    `leads`: whether this is the process that works; a balancer sends everything there. It leads before it is ready,
    as to become ready it must be reached.
    """

    bounded = {name: _Bounded(check, within) for name, check in {**checks, **remarks}.items()}

    async def live(request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def leader(request: web.Request) -> web.Response:
        if leads():
            return web.json_response({"status": "leads"})
        return web.json_response({"status": "waits"}, status=503)

    async def ready(request: web.Request) -> web.Response:
        answers = await asyncio.gather(*(check() for check in bounded.values()))
        found = dict(zip(bounded, answers, strict=True))
        wrong = {name: what for name, what in found.items() if name in checks and what is not None}
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
