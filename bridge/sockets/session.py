"""One connection: what it is told, what it asks, and how it ends. Knows the protocol, and no feature's frames."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from aiohttp import WSMsgType, web

from bridge.core.caller import Caller
from bridge.core.clock import Clock
from bridge.core.errors import NotFound, Refusal
from bridge.core.ids import ConversationId, new_id
from bridge.feed.model import Place
from bridge.sockets.endings import (
    BROKEN,
    CURSOR_TOO_OLD,
    NOT_THERE,
    TOO_MANY,
    TOO_SLOW,
    UNAUTHORIZED,
    Ending,
)
from bridge.sockets.hub import Forgotten, Hub
from bridge.sockets.metrics import ENDED, FRAMES_SENT
from bridge.sockets.outgoing import Outgoing, Signal
from bridge.sockets.protocol import Frame, MalformedFrame, UnknownFrame, error, let_in_no_more
from bridge.sockets.scope import Gate, Scope
from bridge.sockets.seats import Seats
from bridge.sockets.views import CursorFrame, Welcome
from bridge.storage.database import Database, DatabaseError
from bridge.web.body import read_json
from bridge.web.operations import Keys
from bridge.web.pace import Pace, RateLimited
from bridge.web.problems import problem_of

MOST_REFUSED = 20
"""Frames beyond the limit, one after the other, until the connection is ended."""
MOST_LEFT = 1_000
TOKEN_RENEWAL = "token.renew"  # noqa: S105 - a frame's type

F = TypeVar("F", bound=Frame)

log = structlog.get_logger(__name__)


class TooManyLeft(Refusal):
    code = "too_many_left"


@dataclass(frozen=True, slots=True)
class Command(Generic[F]):
    """One type of frame that clients send; `handle` returns what the acknowledgement tells beside the id."""

    name: str
    frame: type[F]
    handle: "Callable[[Session, F], Awaitable[Mapping[str, object]]]"


AnyCommand = Command[Any]


@dataclass(frozen=True, slots=True)
class Pulse:
    """Seconds. `heartbeat`: between pings; who answers none for half as long is gone. `recheck`: between two looks at
    whether the client is still let in; `patience`: for a client to take its leave."""

    heartbeat: float = 30.0
    recheck: float = 15.0
    patience: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What all sessions share."""

    database: Database
    keys: Keys
    clock: Clock
    gate: Gate
    seats: Seats
    frames_per_second: int
    hub: Hub
    pace: Pace
    limits: Mapping[str, int]
    commands: Mapping[str, AnyCommand]
    cursor: Callable[[Caller, Place], str]
    pulse: Pulse


class Session:
    def __init__(
        self, socket: web.WebSocketResponse, around: Around, *, token: str, caller: Caller, scope: Scope
    ) -> None:
        self.caller = caller
        self.scope = scope
        self._socket = socket
        self._around = around
        self._token = token
        self._id = new_id()
        self._outgoing = Outgoing(around.clock)
        self._after = 0
        self._live = False
        self._left: set[ConversationId] = set()
        self._refused = 0
        self._second = self._in_second = 0
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    async def run(self, place: Place | None) -> Ending | None:
        """Until either side ends it. `place`: where the client was; None: it wants what comes from now on.

        Return how we ended it; None where the client did.
        """
        tasks = [asyncio.create_task(part) for part in (self._speak(place), self._listen(), self._watch())]
        try:
            first: list[asyncio.Future[Any]] = [*tasks, self._ended]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._around.hub.leave(self)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                log.error("socket_failed", error=type(result).__qualname__)
                self.end(BROKEN)
        ending = self._ended.result() if self._ended.done() else None
        ENDED.labels("client" if ending is None else str(ending.code)).inc()
        return ending

    # What the hub says

    def wants(self, conversation_id: ConversationId) -> bool:
        return conversation_id not in self._left

    def offer(self, place: Place, frame: str) -> None:
        if place.seq <= self._after:
            return
        self._after = place.seq
        if not self._outgoing.put(frame):
            self.end(TOO_SLOW)

    def hint(self, signal: Signal) -> None:
        if self.caller.may_use(signal.scope):
            self._outgoing.hint(signal)

    def end(self, ending: Ending) -> None:
        if not self._ended.done():
            self._ended.set_result(ending)

    # What commands ask for

    def leave(self, conversation_id: ConversationId) -> None:
        """Have it told no more of this conversation, until `enter`."""
        if len(self._left) >= MOST_LEFT:
            raise TooManyLeft(f"One connection can leave {MOST_LEFT} conversations. Enter one again first.")
        self._left.add(conversation_id)

    def enter(self, conversation_id: ConversationId) -> None:
        self._left.discard(conversation_id)

    async def renew(self, token: str) -> bool:
        """Go on with another token of the same caller; return False, changing nothing, where it is none."""
        if await self._around.keys.caller_of(token) != self.caller:
            return False
        self._token = token
        return True

    # Its three tasks

    async def _speak(self, place: Place | None) -> None:
        here = await self._around.hub.join(self)
        place = place or here
        self._after = max(here.seq, place.seq)
        await self._send(Welcome(cursor=self._around.cursor(self.caller, place)).model_dump_json())
        try:
            async for _, frame in self._around.hub.replay(self, after=place, up_to=here):
                await self._send(frame)
        except Forgotten:
            self.end(CURSOR_TOO_OLD)
            return
        self._live = True
        while True:
            await self._send(await self._outgoing.next())

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                await self._outgoing.put_in_turn(await self._answer(message.data))
            elif message.type is WSMsgType.BINARY:
                await self._outgoing.put_in_turn(await self._answer(None))
            else:
                return

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._around.pulse.recheck * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load
            try:
                if not await self._is_let_in():
                    self.end(UNAUTHORIZED)
                    return
                await self._around.gate.admit(self._around.database, self.caller, self.scope)
            except NotFound:
                self.end(NOT_THERE)
                return
            except DatabaseError as error:
                log.error("sockets_trouble", error=type(error).__qualname__)
                continue
            self._remind()

    def _remind(self) -> None:
        """Where nothing concerned it for long, its cursor would grow too old although it missed nothing."""
        told = self._around.hub.told
        if self._live and self._outgoing.is_empty and told.seq > self._after:
            cursor = self._around.cursor(self.caller, told)
            self.offer(told, CursorFrame(cursor=cursor).model_dump_json())

    # A client's frame

    async def _answer(self, text: str | None) -> str:
        frame_id, kind = None, "?"
        try:
            self._check_pace()
            self._refused = 0
            if text is None:
                raise MalformedFrame("Frames are text: JSON objects.")
            value = read_json(text)
            if not isinstance(value, dict):
                raise MalformedFrame("A frame is a JSON object.")
            frame_id = value["id"] if isinstance(value.get("id"), str) else None
            command = self._around.commands.get(str(value.get("type")))
            if command is None:
                known = ", ".join(sorted(self._around.commands))
                raise UnknownFrame(f"There is no frame of this type. These are: {known}.", field="type")
            kind = command.name
            # As for every request of the API: what was revoked counts at once.
            if kind != TOKEN_RENEWAL and not await self._is_let_in():
                self.end(UNAUTHORIZED)
            frame = command.frame.model_validate_json(text, context=self._around.limits)
            if self._ended.done():
                return let_in_no_more(frame_id)
            return json.dumps({"type": "ack", "id": frame_id, **await command.handle(self, frame)})
        except RateLimited as limited:
            self._refused += 1
            if self._refused > MOST_REFUSED:
                self.end(TOO_MANY)
            return error(frame_id, problem_of(limited, method="FRAME", route=kind))
        except Exception as trouble:
            return error(frame_id, problem_of(trouble, method="FRAME", route=kind))

    def _check_pace(self) -> None:
        second, most = self._around.clock.now() // 1000, self._around.frames_per_second
        self._in_second = self._in_second + 1 if second == self._second else 1
        self._second = second
        if self._in_second > most:
            raise RateLimited(
                f"More than {most} frames of this connection in a second. Nothing was changed. Send it again in 1 s.",
                retry_after=1,
            )
        self._around.pace.frame(self._id)

    async def _is_let_in(self) -> bool:
        return await self._around.keys.caller_of(self._token) == self.caller

    async def _send(self, frame: str) -> None:
        await self._socket.send_str(frame)
        FRAMES_SENT.labels(self.scope.kind).inc()
