"""The documents and a page to read and try the first: /api/v1/openapi.json, /api/v1/asyncapi.json, /api/v1/docs.

Loads nothing from elsewhere.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from swagger_ui.core import ApplicationDocument

DOCUMENT = "/api/v1/openapi.json"
SOCKETS = "/api/v1/asyncapi.json"
PAGE = "/api/v1/docs"

# Inline, because the page has its one script in itself.
_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; font-src 'self';"
    " style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
)


def routes(document: dict[str, Any], sockets: dict[str, Any]) -> list[web.AbstractRouteDef]:
    """`document`: of the REST API, OpenAPI; `sockets`: of the WebSockets, AsyncAPI."""
    page = ApplicationDocument(
        None, config_rel_url=DOCUMENT.removeprefix(PAGE), url_prefix=PAGE, title="Festimo Bridge: REST API"
    )
    # Else a badge would send the document's address to a public validator.
    page.parameters |= {"url": json.dumps(DOCUMENT), "validatorUrl": "null"}
    html = page.doc_html

    async def serve_page(_: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return web.Response(text=html, content_type="text/html", headers=headers)

    return [
        web.get(DOCUMENT, _serve(document)),
        web.get(SOCKETS, _serve(sockets)),
        web.get(PAGE, serve_page),
        web.static(f"{PAGE}/static", page.static_dir),
    ]


def _serve(document: dict[str, Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = json.dumps(document).encode()

    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return serve
