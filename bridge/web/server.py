"""Serves an application until it is stopped. Logs no request line: a query may hold a secret."""

from dataclasses import dataclass

from aiohttp import web

SHUTDOWN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    _runner: web.AppRunner
    port: int

    async def stop(self) -> None:
        """Takes no more connections and lets running requests end."""
        await self._runner.cleanup()


async def serve(app: web.Application, *, host: str, port: int) -> Server:
    """Listens at once; port 0 takes a free one, told by `Server.port`."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        return Server(runner, port=runner.addresses[0][1])
    except BaseException:
        await runner.cleanup()
        raise
