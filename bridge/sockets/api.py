"""The three WebSockets: who may open one, and where it begins."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Annotated

from aiohttp import hdrs, web
from pydantic import Field

from bridge.conversations.api import GET as GET_CONVERSATION
from bridge.core.caller import Caller
from bridge.core.errors import Refusal
from bridge.feed.model import Place
from bridge.messages.api import GET as GET_MESSAGE
from bridge.sockets.frames import Frames
from bridge.sockets.scope import Kind, Scope
from bridge.sockets.session import Around, Session
from bridge.web.auth import Unauthorized, bearer_token, check_scope
from bridge.web.fields import Data, Id
from bridge.web.operations import query_of
from bridge.web.paging import Cursor

PROTOCOL = "festimo.v1"
LARGEST = 128 * 1024
"""Bytes of a frame. A larger one ends the connection (1009), before it is all in memory."""
PATHS: dict[Kind, str] = {
    "party": "/ws/communication/{id}",
    "vendor": "/ws/vendor/{id}",
    "user": "/ws/notifications/{id}",
}

SCOPES = (GET_CONVERSATION.scope, GET_MESSAGE.scope)
"""What a key must be good for: the frames tell what these operations would."""

_BEARER = re.compile(r"bearer\.([!-~]+)")


class UpgradeRequired(Refusal):
    code = "upgrade_required"


class Named(Data):
    id: Id


class Asked(Data):
    cursor: Annotated[Cursor | None, Field(description="of the last frame that came")] = None


class SocketsApi:
    def __init__(self, around: Around, frames: Frames) -> None:
        self._around = around
        self._frames = frames

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.get(path.replace("{id}", "{id:[^/]+}"), self._serve(kind)) for kind, path in PATHS.items()
        ]

    def _serve(self, kind: Kind) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            token = token_of(request)
            caller = None if token is None else await self._around.keys.caller_of(token)
            if token is None or caller is None:
                raise Unauthorized(
                    "No valid token came with the request. Send `Authorization: Bearer ...`, or from a browser the"
                    f" WebSocket protocols `{PROTOCOL}` and `bearer.<token>`."
                )
            for needed in SCOPES:
                check_scope(caller, needed)
            self._around.pace.request(caller)
            scope = Scope(kind, Named.model_validate_strings(dict(request.match_info)).id)
            asked = Asked.model_validate_strings(query_of(request))
            await self._around.gate.admit(self._around.database, caller, scope)
            place = None if asked.cursor is None else self._frames.place(caller.tenant_id, asked.cursor)
            with self._around.seats.taken(caller):
                return await self._open(request, token, caller, scope, place)

        return serve

    async def _open(
        self, request: web.Request, token: str, caller: Caller, scope: Scope, place: Place | None
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            protocols=(PROTOCOL,),
            heartbeat=self._around.pulse.heartbeat,
            timeout=self._around.pulse.patience,
            max_msg_size=LARGEST,
            compress=False,
        )
        if not socket.can_prepare(request):
            raise UpgradeRequired("This is a WebSocket. Connect to it with a WebSocket client.")
        await socket.prepare(request)
        session = Session(socket, self._around, token=token, caller=caller, scope=scope)
        await self._converse(request, socket, session, place)
        return socket

    async def _converse(
        self, request: web.Request, socket: web.WebSocketResponse, session: Session, place: Place | None
    ) -> None:
        ending = await session.run(place)
        if ending is None:
            return
        try:
            # A client that does not read takes no leave either.
            async with asyncio.timeout(2 * self._around.pulse.patience):
                with suppress(ConnectionError):
                    await socket.close(code=ending.code, message=ending.reason.encode())
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()


def token_of(request: web.Request) -> str | None:
    """From the Authorization header, or as browsers have it, from the protocols that the client offers."""
    offered = [one.strip() for one in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
    # Where none of the protocols is ours, aiohttp logs what was offered, which may hold a token.
    if offered != [""] and PROTOCOL not in offered:
        raise Unauthorized(f"Offer the WebSocket protocol `{PROTOCOL}`, beside `bearer.<token>`, or none.")
    token = bearer_token(request.headers)
    if token is not None:
        return token
    found = [match[1] for match in map(_BEARER.fullmatch, offered) if match]
    return found[0] if len(found) == 1 else None
