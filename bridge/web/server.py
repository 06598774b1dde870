"""Serves an application until it is stopped. Logs neither request lines nor what was wrong in a request."""

import logging
from dataclasses import dataclass

from aiohttp import web

SHUTDOWN_SECONDS = 10.0


class _WithoutContent(logging.Filter):
    """Leaves an exception's name only: aiohttp's own words quote the bytes it could not parse."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            record.msg = f"{record.msg} ({record.exc_info[0].__qualname__})"
        record.exc_info = None
        return True


_log = logging.getLogger(__name__)
_log.addFilter(_WithoutContent())


@dataclass(frozen=True, slots=True)
class Server:
    _runner: web.AppRunner
    port: int

    async def stop(self) -> None:
        """Takes no more connections and lets running requests end."""
        await self._runner.cleanup()


async def serve(app: web.Application, *, host: str, port: int) -> Server:
    """Listens at once; port 0 takes a free one, told by `Server.port`."""
    runner = web.AppRunner(
        app, access_log=None, logger=_log, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        return Server(runner, port=runner.addresses[0][1])
    except BaseException:
        await runner.cleanup()
        raise
