"""One declaration per endpoint: served from it here, documented from it by `bridge.web.openapi`. Knows no feature."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Generic, Literal, Protocol, TypeVar

import structlog
from aiohttp import hdrs, web
from pydantic import BaseModel

from bridge.core.caller import Caller, CallerRole
from bridge.storage.database import Database, Transaction, TransactionConflict
from bridge.web.aliases import canonical
from bridge.web.auth import bearer_token, check_scope, forbidden, unauthorized
from bridge.web.body import MalformedRequest, decode_utf8, read_body, read_json, require_content_type
from bridge.web.fields import Data
from bridge.web.idempotency import IdempotencyKeys, Request, key_of
from bridge.web.pace import Pace

JSON = "application/json"
ATTEMPTS = 5
"""How often a transaction is run that keeps running into others; then the client is asked to come again."""

_AS_A_FILE = {
    hdrs.CACHE_CONTROL: "no-store",
    # Should a browser open it all the same, it does nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")

_log = structlog.get_logger(__name__)

Params = TypeVar("Params", bound=BaseModel)
Body = TypeVar("Body", bound=BaseModel)


class Nothing(Data):
    """No parameters; no body."""


@dataclass(frozen=True, slots=True)
class Says:
    """One kind of success: what it means, the model of its body, its headers (name: meaning)."""

    meaning: str
    model: type[BaseModel]
    headers: Mapping[str, str] = field(default_factory=dict)
    others: Sequence[str] = ()
    """Content types that it may have instead of JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Params, Body]):
    """`params` holds the path's and the query's parameters; `refusals` the codes beyond those any operation has."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    name: str
    summary: str
    description: str = ""
    tag: str
    params: type[Params]
    body: type[Body]
    content_types: Sequence[str] = (JSON,)
    answers: Mapping[HTTPStatus, Says]
    refusals: Sequence[str] = ()
    siblings: Sequence[str] = ()
    """What is no value of the last path parameter, but a path of its own."""
    security: Literal["api_key", "signature"] = "api_key"
    roles: frozenset[CallerRole] = frozenset({"service"})
    """Who may ask at all; which conversations, its handler decides."""
    only_reads: bool = False
    """Of one that is no GET: it changes nothing all the same."""
    stored: bool = True
    """False: what it does is not kept, so that there is nothing to do only once."""
    sender: str | None = None
    """The field of the body that names who says something, and may not say too much in a minute."""
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Where to go from here: the name of an operation, and for each of its parameters where to find the value."""

    @property
    def path_parameters(self) -> list[str]:
        return _PATH_PARAMETER.findall(self.path)

    @property
    def takes_body(self) -> bool:
        return self.body is not Nothing

    @property
    def scope(self) -> str:
        """What a key must be good for: the tag, and whether something is changed."""
        return f"{self.tag}:{'read' if self.method == 'GET' or self.only_reads else 'write'}"

    @property
    def may_be_repeated(self) -> bool:
        """With an Idempotency-Key; what PUT and DELETE do is done once however often they come."""
        return self.method == "POST" and self.security == "api_key" and self.stored and not self.only_reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: HTTPStatus
    body: str
    location: str | None = None

    def response(self, *, replayed: bool = False) -> web.Response:
        headers: dict[str, str] = {}
        if self.location is not None:
            headers[hdrs.LOCATION] = self.location
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        return web.Response(status=self.status, text=self.body, content_type=JSON, headers=headers)


@dataclass(frozen=True, slots=True)
class Streamed:
    """What is too large to be in memory at once: a file, in parts."""

    content_type: str
    filename: str
    parts: AsyncIterator[str]

    async def send(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=_AS_A_FILE)
        response.content_type, response.charset = self.content_type, "utf-8"
        response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{self.filename}"'
        await response.prepare(request)
        try:
            async for part in self.parts:
                await response.write(part.encode())
        except ConnectionError:
            raise
        except Exception as error:
            # It is too late for another answer; a file that is cut off must not look like a whole one.
            _log.exception("answer_broken_off", error=type(error).__qualname__)
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response


def answer(model: BaseModel, *, status: HTTPStatus = HTTPStatus.OK, location: str | None = None) -> Answer:
    return Answer(status=status, body=model.model_dump_json(), location=location)


class Keys(Protocol):
    async def caller_of(self, token: str) -> Caller | None:
        """Whom a token stands for; None for anything that is no valid one."""
        ...


Read = Callable[[Caller, Params], Awaitable[Answer]]
Stream = Callable[[Caller, Params, Body], Awaitable[Streamed]]
Ask = Callable[[Caller, Params, Body], Awaitable[Answer]]
Write = Callable[[Transaction, Caller, Params, Body], Awaitable[Answer]]
Check = Callable[[Params, Body], Awaitable[None]]


class Toolkit:
    """Makes aiohttp routes of operations: authenticated, validated, and for writing in one transaction, once."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        idempotency: IdempotencyKeys,
        *,
        limits: Mapping[str, int],
        pace: Pace,
    ) -> None:
        """`limits`: what the operator has set, by the names that `bridge.web.fields` gives them."""
        self._database = database
        self._keys = keys
        self._idempotency = idempotency
        self.limits = dict(limits)
        self.pace = pace

    def read(self, operation: Operation[Params, Nothing], handle: Read[Params]) -> web.RouteDef:
        async def serve(request: web.Request) -> web.Response:
            caller = await self._caller_of(operation, request)
            return (await handle(caller, _params(operation, request))).response()

        return route(operation, serve)

    def ask(self, operation: Operation[Params, Body], handle: Ask[Params, Body]) -> web.RouteDef:
        """As `read`, with a body; also of what is not stored: without a transaction."""

        async def serve(request: web.Request) -> web.Response:
            caller = await self._caller_of(operation, request)
            params = _params(operation, request)
            body, _ = await self._body(operation, request)
            return (await handle(caller, params, body)).response()

        return route(operation, serve)

    def stream(self, operation: Operation[Params, Body], handle: Stream[Params, Body]) -> web.RouteDef:
        """As `ask`. What is refused is refused before the first part."""

        async def serve(request: web.Request) -> web.StreamResponse:
            caller = await self._caller_of(operation, request)
            params = _params(operation, request)
            body, _ = await self._body(operation, request)
            return await (await handle(caller, params, body)).send(request)

        return route(operation, serve)

    def write(
        self,
        operation: Operation[Params, Body],
        handle: Write[Params, Body],
        *,
        check: Check[Params, Body] | None = None,
    ) -> web.RouteDef:
        """`check`: what has to be asked of others first; no transaction waits for that."""

        async def serve(request: web.Request) -> web.Response:
            caller = await self._caller_of(operation, request)
            params, key = _params(operation, request), None
            if operation.may_be_repeated:
                key = key_of(request.headers)
            body, value = await self._body(operation, request)
            if operation.sender is not None:
                sender = getattr(body, operation.sender) or caller.participant_id
                if sender is not None:
                    self.pace.message(caller.tenant_id, sender)
            if check is not None:
                await check(params, body)

            async def act(tx: Transaction) -> Answer:
                return await handle(tx, caller, params, body)

            content = [request.method, canonical(request.path), value]
            made, replayed = await self.once(caller, key=key, content=content, act=act)
            return made.response(replayed=replayed)

        return route(operation, serve)

    async def once(
        self,
        caller: Caller,
        *,
        key: str | None,
        content: object,
        act: Callable[[Transaction], Awaitable[Answer]],
    ) -> tuple[Answer, bool]:
        """What `act` answers, in a transaction; and whether that is what the same `key` was answered before.

        `content`: all that makes it this request and no other, as JSON values.
        """

        async def apply(tx: Transaction) -> tuple[Answer, bool]:
            if key is None:
                return await act(tx), False
            asked = Request(
                key=key, tenant_id=caller.tenant_id, participant_id=caller.participant_id, content=content
            )
            done = await self._idempotency.answer_to(tx, asked)
            if done is not None:
                return Answer(status=HTTPStatus(done.status), body=done.body, location=done.location), True
            made = await act(tx)
            await self._idempotency.keep(
                tx, asked, status=made.status, body=made.body, location=made.location
            )
            return made, False

        return await self._transacted(apply)

    async def _caller_of(self, operation: Operation[Params, Body], request: web.Request) -> Caller:
        token = bearer_token(request.headers)
        caller = None if token is None else await self._keys.caller_of(token)
        if caller is None:
            raise unauthorized()
        if caller.role not in operation.roles:
            raise forbidden(caller.role)
        check_scope(caller, operation.scope)
        self.pace.request(caller)
        return caller

    async def _body(self, operation: Operation[Params, Body], request: web.Request) -> tuple[Body, object]:
        if not operation.takes_body:
            return operation.body(), None
        require_content_type(request, operation.content_types)
        text = decode_utf8(await read_body(request))
        value = read_json(text)
        # From the text and not from `value`: only then does strict mode take an array for a tuple.
        return operation.body.model_validate_json(text, context=self.limits), value

    async def _transacted(
        self, apply: Callable[[Transaction], Awaitable[tuple[Answer, bool]]]
    ) -> tuple[Answer, bool]:
        for _ in range(ATTEMPTS - 1):
            try:
                async with self._database.transaction() as tx:
                    return await apply(tx)
            except TransactionConflict:
                continue
        async with self._database.transaction() as tx:
            return await apply(tx)


def route(
    operation: Operation[Params, Body], serve: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.RouteDef:
    # A parameter may hold anything but a slash, an encoded one included; its model judges it.
    others = "".join(f"(?!{re.escape(sibling)}$)" for sibling in operation.siblings)
    path = _PATH_PARAMETER.sub(lambda match: f"{{{match[1]}:{others}[^/]+}}", operation.path)
    return web.route(operation.method, path, serve)


def query_of(request: web.Request) -> dict[str, str]:
    query = dict(request.query)
    if len(query) < len(request.query):
        raise MalformedRequest("A parameter of the query stands there twice.")
    return query


def _params(operation: Operation[Params, Body], request: web.Request) -> Params:
    query = query_of(request)
    in_path = operation.path_parameters
    named_twice = query.keys() & set(in_path)
    if named_twice:
        # Else `?conversation_id=...` would silently compete with the one in the path.
        query = {f"query.{name}" if name in named_twice else name: value for name, value in query.items()}
    return operation.params.model_validate_strings(query | dict(request.match_info))
