"""The same API under the paths where older clients look for it: /api/v1/communication and /messaging."""

from collections.abc import Iterable, Iterator

from aiohttp import web

CANONICAL = "/api/v1/"
ALIASES = ("/api/v1/communication/", "/messaging/")


def with_aliases(routes: Iterable[web.RouteDef]) -> Iterator[web.RouteDef]:
    """Each route, and the same under every alias."""
    for route in routes:
        yield route
        for alias in ALIASES:
            yield web.route(
                route.method, alias + route.path.removeprefix(CANONICAL), route.handler, **route.kwargs
            )


def canonical(path: str) -> str:
    """The path under which the document lists it."""
    for alias in ALIASES:
        if path.startswith(alias):
            return CANONICAL + path.removeprefix(alias)
    return path
