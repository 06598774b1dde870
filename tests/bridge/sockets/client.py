"""WebSocket clients of the application, as they are in the world: they keep the cursor of the last frame they saw."""

import asyncio
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType

from bridge.core.caller import Caller, CallerRole
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.signals.model import Person
from tests.bridge.api.client import Api
from tests.bridge.api.world import OURS, World
from tests.bridge.sockets.documented import check_taken, check_told

OnlyTask = asyncio.Task[None]
SOON = 30.0


class LiveWorld(World):
    def person(self, person_id: str, role: CallerRole = "host", tenant: TenantId = OURS) -> str:
        """A token of theirs."""
        token = f"token-of-{tenant}-{role}-{person_id}-{len(self.callers)}"
        participant = ParticipantId(person_id) if role in ("host", "vendor") else None
        self.callers[token] = Caller(tenant_id=tenant, role=role, participant_id=participant)
        return token

    def take_back(self, token: str) -> None:
        del self.callers[token]

    async def work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.run())
            tasks.create_task(self.live.run())

    async def settled(self, conversation_id: str) -> str:
        """What happened so far is in order: who connects now, is not told of it."""
        while await self.feed.order():
            pass
        return conversation_id


class Client:
    """`cursor`: of the last frame that was read; `frames`: all that were read, over all connections.

    Whatever it reads is held against the AsyncAPI document, but where `checks` is off, as for thousands of frames.
    """

    def __init__(self, api: Api, path: str, token: str | None) -> None:
        self.api = api
        self.path = path
        self.token = token
        self.cursor: str | None = None
        self.frames: list[dict[str, Any]] = []
        self.checks = True
        self._socket: ClientWebSocketResponse | None = None

    @property
    def socket(self) -> ClientWebSocketResponse:
        assert self._socket is not None
        return self._socket

    async def connect(self, **options: Any) -> "Client":
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        params = {} if self.cursor is None else {"cursor": self.cursor}
        self._socket = await self.api.http.ws_connect(
            self.path, headers=headers, params=params, max_msg_size=0, **options
        )
        assert (await self.read())["type"] == "welcome"
        return self

    async def read(self, wait: float = SOON) -> dict[str, Any]:
        async with asyncio.timeout(wait):
            message = await self.socket.receive()
        assert message.type is WSMsgType.TEXT, (message, self.socket.close_code)
        return self._keep(json.loads(message.data))

    def _keep(self, frame: dict[str, Any]) -> dict[str, Any]:
        if self.checks:
            check_told(self.path, frame)
        self.cursor = frame.get("cursor", self.cursor)
        self.frames.append(frame)
        return frame

    async def next(self, *types: str) -> dict[str, Any]:
        """The next frame of these types; others are read, too."""
        while True:
            frame = await self.read()
            if frame["type"] in types:
                return frame

    async def drain(self, wait: float = 0.0) -> None:
        """What has arrived."""
        try:
            while True:
                await self.read(wait)
        except TimeoutError:
            return

    async def ask(self, **frame: Any) -> dict[str, Any]:
        """The answer to a frame."""
        await self.socket.send_str(json.dumps(frame))
        answer = await self.next("ack", "error")
        check_taken(frame, answer)
        return answer

    async def ended(self) -> tuple[int | None, str]:
        """The close code and reason, after whatever comes before."""
        async with asyncio.timeout(SOON):
            while True:
                message = await self.socket.receive()
                if message.type is WSMsgType.TEXT:
                    self._keep(json.loads(message.data))
                elif message.type is WSMsgType.CLOSE:
                    return message.data, str(message.extra)
                else:
                    return self.socket.close_code, f"{message.type}"

    def drop(self) -> None:
        """As when a telephone loses its network."""
        connection = self.socket._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every frame of the feed that was read."""
        return [frame for frame in self.frames if "event_id" in frame]

    def texts(self, *types: str) -> list[str]:
        return [frame["message"]["content"] for frame in self.events if frame["type"] in types]


class Crowd:
    """Clients that end with the test."""

    def __init__(self, world: LiveWorld, api: Api) -> None:
        self.world = world
        self.api = api
        self._clients: list[Client] = []

    def client(self, path: str, token: str | None = None) -> Client:
        """`token`: of a person; None: the program's key."""
        client = Client(self.api, path, token or self.api.key)
        self._clients.append(client)
        return client

    async def connected(self, path: str, token: str | None = None, **options: Any) -> Client:
        return await self.client(path, token).connect(**options)

    async def __aenter__(self) -> "Crowd":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            if client._socket is not None:
                await client._socket.close()


async def everything(world: LiveWorld, conversation_id: str) -> object:
    """What is stored, what people are told of each other, and what was told outside."""
    presence = [
        (
            person,
            (await world.signals.presence.of(world.database, Person(tenant_id=OURS, participant_id=person))),
        )
        for person in map(ParticipantId, ("u-anna", "v-1"))
    ]
    typing = world.signals.typing.of(ConversationId(conversation_id))
    return await world.contents(), presence, typing, list(world.typing_outside.heard)


async def until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
