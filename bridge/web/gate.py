"""From where one may ask at all: IP addresses and, from browsers, web sites. The homeserver and probes pass by."""

import ipaddress
from collections.abc import Iterable, Sequence
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from bridge.web.auth import Forbidden
from bridge.web.problems import Handler, refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NOT_GUARDED = ("/_matrix/", "/health/")
"""The homeserver shows its token; probes learn nothing."""
FORWARDED_FOR = "X-Forwarded-For"

_METHODS = "GET, POST, PUT, DELETE"
_HEADERS = "Authorization, Content-Type, Idempotency-Key"
_SHOWN = "Location, Idempotency-Replayed, Retry-After"
_REMEMBERED = "600"  # seconds


def client_of(peer: str | None, forwarded: Iterable[str], *, trusted: Sequence[Network]) -> Address | None:
    """Who asks: the peer, or whom a trusted one speaks for. None: nobody can tell.

    `forwarded`: the headers X-Forwarded-For. Each proxy writes at the end whom it was asked by, so they are read from
    there, and no further than the first that is none of ours: what stands before that anybody may have written.
    """
    asking = _address(peer or "")
    before = [one.strip() for header in forwarded for one in header.split(",")]
    while asking is not None and before and _is_in(asking, trusted):
        asking = _address(before.pop())
    return asking


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


class Gate:
    """`allowed`: empty lets every address through; `origins`: empty lets no web site's page through."""

    def __init__(
        self, *, allowed: Iterable[str] = (), trusted: Iterable[str] = (), origins: Iterable[str] = ()
    ) -> None:
        self._allowed = [ipaddress.ip_network(one) for one in allowed]
        self._trusted = [ipaddress.ip_network(one) for one in trusted]
        self._origins = frozenset(origins)

    def guard(self, app: web.Application) -> None:
        """Before anything that `app` has been given so far."""
        app.middlewares.insert(0, self._middleware())
        app.on_response_prepare.append(self._tell_browser)

    def _middleware(self) -> Middleware:
        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(NOT_GUARDED):
                return await handler(request)
            if not self._lets_through(request):
                return refused(
                    Forbidden(
                        "This address may not use the API. Ask the operator to add it to `web.allowed_ips`."
                    )
                )
            if self._is_preflight(request):
                return self._preflight(request)
            return await handler(request)

        return gate

    def _lets_through(self, request: web.Request) -> bool:
        if not self._allowed:
            return True
        client = client_of(request.remote, request.headers.getall(FORWARDED_FOR, ()), trusted=self._trusted)
        return client is not None and _is_in(client, self._allowed)

    @staticmethod
    def _is_preflight(request: web.Request) -> bool:
        """Fetch standard, "CORS-preflight request"."""
        return (
            request.method == hdrs.METH_OPTIONS
            and hdrs.ORIGIN in request.headers
            and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        )

    def _preflight(self, request: web.Request) -> web.Response:
        if request.headers[hdrs.ORIGIN] not in self._origins:
            return refused(
                Forbidden("Pages of this web site may not use the API. `web.allowed_origins` says whose may.")
            )
        return web.Response(
            status=HTTPStatus.NO_CONTENT,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _HEADERS,
                hdrs.ACCESS_CONTROL_MAX_AGE: _REMEMBERED,
            },
        )

    async def _tell_browser(self, request: web.Request, response: web.StreamResponse) -> None:
        if not self._origins or request.path.startswith(NOT_GUARDED):
            return
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin in self._origins:
            # Without Allow-Credentials: there are no cookies, a token comes in a header of its own.
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = str(origin)
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _SHOWN
