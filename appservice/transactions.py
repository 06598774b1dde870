"""Where the homeserver delivers: what it sends is on disk before it hears 200. Applies nothing itself.

Spec: application service API, "Homeserver -> Application Service API". A lasting answer other than 200 stops all
traffic for ever, so there are two only: a wrong token, and a database that cannot be written.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from appservice.continuity import Continuity
from appservice.inbound.lanes import PREFIX
from appservice.inbound.waiting import inbox_id
from appservice.members import Members
from appservice.names import Names
from appservice.room_map import room_by_id
from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted, Inbox
from bridge.storage.database import Database, DatabaseError, Transaction

TOPIC = "matrix.event"
LARGEST_BODY = 64 * 1024 * 1024
PARSE_IN_THREAD_FROM = 256 * 1024
"""Bytes. Parsing more takes long enough to be felt by everybody else."""
LONGEST_ID = 255
"""Bytes. Spec: client-server API, "Size limits"."""
KEPT_KEYS = ("event_id", "room_id", "sender", "type")
NOBODY = TenantId("")
"""The tenant of what belongs to none: events of rooms we do not know."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A transaction body, taken apart: events that have what every event has, and whatever has not."""

    events: tuple["Event", ...]
    unparsable: tuple[bytes, ...]
    ephemeral: tuple[Any, ...] = ()
    """Whatever stands there, unchecked."""


@dataclass(frozen=True, slots=True)
class Event:
    event_id: str
    room_id: str
    sender: str
    type: str
    raw: bytes


def parse(body: bytes, is_news: Callable[[str, str], bool] = lambda kind, sender: True) -> Parsed:
    """Never raises: what is not as it should be comes back as `unparsable`, byte for byte where possible.

    `is_news(type, sender)`: whether such an event is wanted; others are left out.
    """
    try:
        transaction = json.loads(body)
        events = transaction["events"]
        if not isinstance(events, list):
            raise TypeError
    except (ValueError, TypeError, KeyError, RecursionError):
        return Parsed((), (body,))
    good: list[Event] = []
    bad: list[bytes] = []
    for event in events:
        is_event = _is_event(event)
        if is_event and not is_news(event["type"], event["sender"]):
            continue
        try:
            raw = json.dumps(event).encode()
        except RecursionError:  # writing takes more of the stack than reading: the body as a whole keeps it
            bad.append(body)
            continue
        if is_event:
            good.append(Event(**{key: event[key] for key in KEPT_KEYS}, raw=raw))
        else:
            bad.append(raw)
    ephemeral = transaction.get("ephemeral")
    return Parsed(tuple(good), tuple(bad), tuple(ephemeral) if isinstance(ephemeral, list) else ())


def _is_event(event: Any) -> bool:
    return (
        isinstance(event, dict)
        and all(_is_storable(event.get(key)) for key in KEPT_KEYS)
        and isinstance(event.get("content"), dict)
    )


def _is_storable(value: Any) -> bool:
    """JSON may hold NULs and half surrogate pairs; a text in the database cannot."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        return 0 < len(value.encode()) <= LONGEST_ID
    except UnicodeEncodeError:
        return False


class HomeserverSide:
    """The endpoints that the homeserver calls."""

    def __init__(
        self,
        *,
        database: Database,
        inbox: Inbox,
        members: Members,
        names: Names,
        hs_token: str,
        continuity: Continuity,
        on_refused: Callable[[], None] = lambda: None,
        on_ephemeral: Callable[[Sequence[Any]], None] = lambda events: None,
    ) -> None:
        """`on_refused` is called when a transaction was not taken, or nobody knows whether it was; `on_ephemeral` with
        what is neither stored nor redelivered, once all else is stored: it must return at once."""
        self._database = database
        self._inbox = inbox
        self._members = members
        self._names = names
        self._hs_token = hs_token.encode()
        self._continuity = continuity
        self._on_refused = on_refused
        self._on_ephemeral = on_ephemeral
        self._watched: dict[str, bool] = {}

    @contextmanager
    def watch_for(self, alias: str) -> Iterator[Callable[[], bool]]:
        """Tell whether the homeserver asks for `alias` meanwhile, with whatever token."""
        self._watched[alias] = False
        try:
            yield lambda: self._watched[alias]
        finally:
            del self._watched[alias]

    def app(self) -> web.Application:
        """To be mounted at /_matrix/."""
        app = web.Application(middlewares=[_spec_errors])
        app.add_routes(
            [
                web.put("/app/v1/transactions/{txn_id:[^/]+}", self._authorized(self.transaction)),
                web.post("/app/v1/ping", self._authorized(self.ping)),
                web.get("/app/v1/users/{user_id:[^/]+}", self._authorized(self.user)),
                web.get("/app/v1/rooms/{alias:[^/]+}", self.alias),
                web.get("/app/v1/thirdparty/{rest:.*}", self._authorized(self.nothing)),
            ]
        )
        return app

    async def transaction(self, request: web.Request) -> web.Response:
        self._continuity.transaction(request.match_info["txn_id"])
        try:
            await self._take(request)
        except BaseException as error:  # cut off by the other side, or cancelled: as if it had been refused
            self._continuity.doubt("a transaction was not taken")
            self._on_refused()
            if not isinstance(error, DatabaseError):
                raise
            log.error("transaction_not_kept", error=type(error).__qualname__)
            return _error(503, "M_UNKNOWN", "The database cannot be written. The transaction was not taken.")
        return web.json_response({})

    async def _take(self, request: web.Request) -> None:
        # The limit of the outermost application (1 MiB) would hold otherwise, and a transaction has no limit.
        body = await request.clone(client_max_size=LARGEST_BODY).read()
        if len(body) >= PARSE_IN_THREAD_FROM:
            parsed = await asyncio.to_thread(parse, body, self._is_news)
        else:
            parsed = parse(body, self._is_news)
        if parsed.unparsable or parsed.events:
            async with self._continuity.turn, self._database.transaction() as tx:
                await self.keep(tx, parsed)
        if parsed.ephemeral:
            self._pass_on(parsed.ephemeral)

    def _pass_on(self, ephemeral: Sequence[Any]) -> None:
        try:
            self._on_ephemeral(ephemeral)
        except Exception as error:  # no mistake in a signal may stop the messages
            log.error("signals_dropped", count=len(ephemeral), error=type(error).__qualname__)

    async def ping(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def user(self, request: web.Request) -> web.Response:
        """Whether a user of our namespace exists. They are all made before anybody can ask."""
        if request.match_info["user_id"] == self._names.bot:
            return web.json_response({})
        return await self.nothing(request)

    async def alias(self, request: web.Request) -> web.StreamResponse:
        """Aliases are made with their rooms: there is never one to be made when somebody asks."""
        if request.match_info["alias"] in self._watched:
            self._watched[request.match_info["alias"]] = True
        return await self._authorized(self.nothing)(request)

    async def nothing(self, request: web.Request) -> web.Response:
        return _error(404, "M_NOT_FOUND", "There is no such thing here.")

    def _is_news(self, kind: str, sender: str) -> bool:
        """What we sent ourselves comes back once per message: known already, worth neither row nor transaction."""
        return kind != "m.room.encrypted" or not self._names.is_ours(sender)

    async def keep(self, tx: Transaction, parsed: Parsed) -> int:
        """Put what is new into the inbox; return how many events that were."""
        new = 0
        for event in parsed.events:
            if self._is_news(event.type, event.sender):
                new += await self._keep_event(tx, event)
        for raw in parsed.unparsable:
            digest = hashlib.sha256(raw).hexdigest()
            log.warning("unparsable_event", sha256=digest)
            await self._inbox.add_dead(
                tx,
                item_id=f"matrix-unparsable:{digest}",
                tenant_id=NOBODY,
                lane="matrix-unparsable",
                topic=TOPIC,
                body=raw,
                failure="not an event as the specification describes it",
            )
        return new

    async def _keep_event(self, tx: Transaction, event: Event) -> bool:
        room = await room_by_id(tx, event.room_id)
        accepted = await self._inbox.add(
            tx,
            item_id=inbox_id(event.event_id),
            tenant_id=room.tenant_id if room else NOBODY,
            lane=PREFIX + event.room_id,
            topic=TOPIC,
            body=event.raw,
        )
        if room is not None and event.type == "m.room.member":
            # In this very commit, so that nothing is encrypted for those who were members before it.
            await self._members.mark_stale(tx, room.room_id)
        return accepted is Accepted.NEW

    def _authorized(self, handler: Handler) -> Handler:
        async def authorized(request: web.Request) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token:
                return _error(401, "M_MISSING_TOKEN", "Send the hs_token: Authorization: Bearer <hs_token>.")
            if not hmac.compare_digest(token.encode(errors="surrogateescape"), self._hs_token):
                return _error(403, "M_FORBIDDEN", "This is not the hs_token of the registration.")
            return await handler(request)

        return authorized


@web.middleware
async def _spec_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return _error(404, "M_UNRECOGNIZED", "There is no such endpoint.")
    except web.HTTPMethodNotAllowed:
        return _error(405, "M_UNRECOGNIZED", "This endpoint does not take that method.")
    except web.HTTPRequestEntityTooLarge:
        return _error(413, "M_TOO_LARGE", f"A transaction may have {LARGEST_BODY} bytes.")
    except web.RequestPayloadError:
        return _error(400, "M_NOT_JSON", "The body is not in the encoding that its headers name.")
    except Exception as error:
        # Never its message: it may quote content.
        log.error("request_failed", method=request.method, error=type(error).__qualname__)
        return _error(500, "M_UNKNOWN", "This is a fault of ours.")


def _error(status: int, errcode: str, message: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": message}, status=status)
