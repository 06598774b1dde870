"""Carries a signed body to a URL that somebody else has chosen: to public addresses only, and not a step further.

Whether an address may be reached is asked of the very address that a socket is opened for, after the name was looked
up: a name that meant another address a moment ago opens nothing. Redirects are not followed, no proxy of the
environment is used, no cookie is kept, and of the answer only the status is read.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bridge.webhooks import rules
from bridge.webhooks.payload import TYPE

TIMEOUT = 15.0
"""Seconds for all of it. Standard Webhooks, "Request timeouts"."""
NAMES_AT_ONCE = 16
"""Lookups of names under way: those that nobody answers must not be in the way of others."""
_REFUSED = "its address is not public"

LookUp = Callable[[str, int, int], list[Any]]
"""`socket.getaddrinfo`, or a test's own."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` None: there was none, for the reason `failure`. `retry_after`: ms that the endpoint asked for."""

    status: int | None
    failure: str | None = None
    retry_after: int | None = None


class AddressRefused(OSError):
    """Nothing is sent there."""


class Names(AbstractResolver):
    """Looks names up in threads of its own."""

    def __init__(self, look_up: LookUp | None = None) -> None:
        self._look_up = look_up or _getaddrinfo
        self._threads = ThreadPoolExecutor(NAMES_AT_ONCE, thread_name_prefix="webhook-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._look_up, host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def addresses(self, host: str) -> list[str]:
        """All that a host stands for; empty where it is not found."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return [one["host"] for one in await self.resolve(host)]
        except (OSError, UnicodeError):  # a time-out is an OSError
            return []

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Courier:
    """To be entered before anything is sent."""

    def __init__(self, *, allowed: Sequence[rules.Network] = (), names: Names | None = None) -> None:
        """`allowed`: networks that may be reached though they are not public."""
        self._allowed = allowed
        self._names = names or Names()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Courier":
        connector = aiohttp.TCPConnector(
            limit=0,  # who delivers decides how much at once
            resolver=self._names,
            socket_factory=self._socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": "Festimo-Bridge", "Content-Type": TYPE},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def check(self, host: str) -> None:
        """Raise `UrlRefused` where the host leads to where nothing is sent."""
        rules.check_addresses(await self._names.addresses(host), allowed=self._allowed)

    async def carry(self, url: str, *, body: str, headers: Mapping[str, str]) -> Answer:
        """Never raises what the other side can bring about."""
        assert self._session is not None, "it was entered"
        try:
            async with self._session.post(
                # As it is: requoting would send something else than its owner wrote.
                URL(url, encoded=True),
                data=body.encode(),
                headers=dict(headers),
                allow_redirects=False,
            ) as response:
                return Answer(response.status, retry_after=_asked(response.headers.get("Retry-After")))
        except TimeoutError:
            return Answer(None, f"no answer within {TIMEOUT:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, _reason(error))

    def _socket(self, info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if not rules.may_be_reached(address[0], allowed=self._allowed):
            raise AddressRefused(_REFUSED)
        return socket.socket(family=family, type=kind, proto=protocol)


def _getaddrinfo(host: str, port: int, family: int) -> list[Any]:
    return list(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG))


def _asked(retry_after: str | None) -> int | None:
    """In seconds; a date is left aside."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()) or len(retry_after) > 9:
        return None
    return int(retry_after) * 1000


def _reason(error: Exception) -> str:
    """In our own words: those of the error may hold the URL."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "its name is not found"
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not valid"
        case aiohttp.ClientSSLError():
            return "TLS failed"
        case aiohttp.ClientConnectorError() if _REFUSED in str(error.os_error):
            return _REFUSED
        case aiohttp.ClientConnectorError():
            return "no connection"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return "the connection broke off"
        case _:
            return f"no answer that could be read ({type(error).__qualname__})"
