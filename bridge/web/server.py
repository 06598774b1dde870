"""Serves an application until it is stopped. Logs neither request lines nor what was wrong in a request."""

import logging
import ssl
from dataclasses import dataclass

from aiohttp import web

from bridge.config.web import Web
from bridge.core.start import CannotStart, Reason

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


def tls_of(config: Web) -> ssl.SSLContext | None:
    """None: somebody else ends TLS. Raise `CannotStart` where the files are not what they should be."""
    if config.tls_certificate is None or config.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty password: else OpenSSL would ask for one at the terminal.
        context.load_cert_chain(config.tls_certificate, config.tls_key, password="")
    except (OSError, ValueError) as error:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"`web.tls_certificate` and `web.tls_key` cannot be used: {getattr(error, 'strerror', None) or error}.",
            "Name a PEM file with the certificate and its chain, and one with the private key that belongs to it,"
            " without a password, both readable by the bridge.",
        ) from None
    return context


async def serve(app: web.Application, *, host: str, port: int, tls: ssl.SSLContext | None = None) -> Server:
    """Listens at once; port 0 takes a free one, told by `Server.port`."""
    runner = web.AppRunner(
        app, access_log=None, logger=_log, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        return Server(runner, port=runner.addresses[0][1])
    except BaseException:
        await runner.cleanup()
        raise
