"""Whether the bridge runs; where it does not, its port is listened at in its place."""

import errno
import socket
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from bridge.core.checkup import Suspicious
from bridge.core.start import CannotStart, Reason
from bridge.web.server import serve

ANSWER = aiohttp.ClientTimeout(total=15)
"""A bridge whose database is away takes its time to say so."""
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not where to listen


@dataclass(slots=True)
class Process:
    """`running`: None until it was looked at."""

    host: str
    port: int
    session: aiohttp.ClientSession
    stack: AsyncExitStack
    tls: ssl.SSLContext | None = None
    running: bool | None = None

    async def check(self, stand_in: web.Application) -> str:
        """Serve `stand_in`, for as long as `stack` lasts, where nobody listens."""
        try:
            server = await serve(stand_in, host=self.host, port=self.port, tls=self.tls)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _cannot_listen(error) from error
        else:
            self.stack.push_async_callback(server.stop)
            self.running = False
            return f"does not run: port {self.port} is listened at in its place"
        self.running = True
        return await self._readiness()

    async def _readiness(self) -> str:
        host = EVERYWHERE.get(self.host, self.host)
        scheme = "http" if self.tls is None else "https"
        at = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"
        try:
            # The certificate has the name that others use; here it is our own address that is asked.
            async with self.session.get(
                f"{at}/health/ready", timeout=ANSWER, ssl=self.tls is None
            ) as response:
                answer = await response.json()
                checks, status = dict(answer["checks"]), answer["status"]
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
            raise CannotStart(
                Reason.PORT_TAKEN,
                f"Something that is no bridge listens at port {self.port}, `appservice.listen`.",
                "Stop it, or choose another port there and in `appservice.url`; then run `festimo registration` again"
                " for the homeserver.",
            ) from None
        wrong = [f"{name}: {what}" for name, what in checks.items() if what != "ok"]
        if wrong:
            raise Suspicious(
                f"runs, and is {status}: {'; '.join(wrong)}", "See the checks below, and its log."
            )
        return "runs, and is ready"


def _cannot_listen(error: OSError) -> CannotStart:
    told = error.strerror if not isinstance(error, socket.gaierror) else "the name is not known"
    return CannotStart(
        Reason.PORT_TAKEN,
        f"The bridge cannot listen at `appservice.listen`: {told}.",
        "Use an address of this very machine (127.0.0.1, or 0.0.0.0 for all) and a port above 1023.",
    )
