"""Reads the feed once for all sockets of this process and gives each what it may see, in order.

A socket that comes is told from the place at which the hub is; what was before, it reads by itself. So that nothing
falls between, taking the next entry in hand and noting who is there happens in one step.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol

import structlog

from bridge.conversations.access import Access
from bridge.conversations.store import ConversationStore
from bridge.core.caller import Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.feed.model import BEGINNING, Entry, Place
from bridge.feed.store import FeedStore
from bridge.sockets.endings import BROKEN, RESTARTING, Ending
from bridge.sockets.frames import Frames
from bridge.sockets.metrics import OPEN
from bridge.sockets.scope import Scope
from bridge.sockets.store import SocketStore
from bridge.storage.database import Database, DatabaseError

PAGE = 200
SWEEP_EVERY = 1.0
"""Seconds. What another process put in order wakes nobody here."""

log = structlog.get_logger(__name__)


class Forgotten(Exception):
    """What followed the place is not kept any more."""


class Socket(Protocol):
    """A client that is connected."""

    @property
    def caller(self) -> Caller: ...

    @property
    def scope(self) -> Scope: ...

    def wants(self, conversation_id: ConversationId) -> bool: ...

    def offer(self, place: Place, frame: str) -> None:
        """The next frame. One that is not behind those before it, the socket has already."""
        ...

    def hint(self, frame: str) -> None:
        """A frame that may be lost."""
        ...

    def end(self, ending: Ending) -> None: ...


class Hub:
    def __init__(
        self,
        database: Database,
        feed: FeedStore,
        store: SocketStore,
        conversations: ConversationStore,
        access: Access,
        frames: Frames,
    ) -> None:
        self._database = database
        self._feed = feed
        self._store = store
        self._conversations = conversations
        self._access = access
        self._frames = frames
        self._sockets: dict[Socket, None] = {}
        self._place: Place | None = None
        """Behind the entry in hand; None while nobody is there to be told."""
        self.told = BEGINNING
        """Everybody who is there was given all up to here."""
        self._era = 0
        """Counts how often nobody was there: what was in hand before, is not what comes next."""
        self._came = asyncio.Event()
        self._opening = asyncio.Lock()

    def wake(self) -> None:
        """There are new entries."""
        self._came.set()

    async def join(self, socket: Socket) -> Place:
        """Have the socket told what comes behind the place that is returned."""
        async with self._opening:
            if self._place is None:
                self._place = self.told = await self._feed.newest(self._database)
        self._sockets[socket] = None
        OPEN.labels(socket.scope.kind).inc()
        return self._place

    def leave(self, socket: Socket) -> None:
        if socket in self._sockets:
            del self._sockets[socket]
            OPEN.labels(socket.scope.kind).dec()
        if not self._sockets and self._place is not None:
            self._place = None
            self._era += 1

    def close(self) -> None:
        """Have all clients come back later."""
        for socket in list(self._sockets):
            socket.end(RESTARTING)

    async def run(self) -> None:
        """Until cancelled: then everybody has to come again, as what was in hand may not have reached them."""
        try:
            while True:
                self._came.clear()
                await self._read_all()
                try:
                    async with asyncio.timeout(SWEEP_EVERY):
                        await self._came.wait()
                except TimeoutError:
                    pass
        finally:
            self.close()

    async def replay(self, socket: Socket, *, after: Place, up_to: Place) -> AsyncIterator[tuple[Place, str]]:
        """What the socket may see of what came between. Raise `Forgotten`."""
        tenant_id, scope, reached = socket.caller.tenant_id, socket.scope, after
        while True:
            page = await self._store.entries(
                self._database,
                tenant_id,
                scope.kind,
                scope.id,
                after=reached.seq,
                up_to=up_to.seq,
                limit=PAGE,
            )
            # Asked afterwards: what is forgotten, is forgotten from the beginning on.
            if not await self._feed.is_kept(self._database, reached):
                raise Forgotten
            for entry in page:
                audience = await self._audience(tenant_id, entry.conversation_id, [socket])
                for _, frame in await self._shown(entry, audience):
                    yield entry.place, frame
            if len(page) < PAGE:
                return
            reached = page[-1].place

    async def signal(self, tenant_id: TenantId, conversation_id: ConversationId, frame: str) -> None:
        """Tell whoever is there now, and may see the conversation, something that is not kept."""
        here = [one for one in self._sockets if one.caller.tenant_id == tenant_id]
        for socket in await self._audience(tenant_id, conversation_id, here):
            if socket.scope.kind != "user":
                socket.hint(frame)

    async def _read_all(self) -> None:
        try:
            while await self._read_on():
                pass
        except DatabaseError as error:
            log.error("sockets_trouble", error=type(error).__qualname__)
            await asyncio.sleep(1)

    async def _read_on(self) -> bool:
        """Return whether there may be more."""
        if self._place is None:
            return False
        era = self._era
        entries = await self._feed.after(self._database, self._place.seq, limit=PAGE)
        for entry in entries:
            if self._era != era:
                return True
            # One step: whoever comes from here on, reads this entry by itself.
            self._place, here = entry.place, list(self._sockets)
            await self._tell(entry, here)
            if self._era == era:
                self.told = entry.place
            # Else those who read fast enough get no turn to read, and seem slow.
            await asyncio.sleep(0)
        return len(entries) == PAGE

    async def _tell(self, entry: Entry, here: Sequence[Socket]) -> None:
        concerned = [one for one in here if one.caller.tenant_id == entry.tenant_id]
        while concerned:
            try:
                concerned = await self._audience(entry.tenant_id, entry.conversation_id, concerned)
                for socket, frame in await self._shown(entry, concerned):
                    socket.offer(entry.place, frame)
                return
            except DatabaseError as error:
                log.error("sockets_trouble", error=type(error).__qualname__)
                await asyncio.sleep(1)
            except Exception as error:
                # Never the message of an unknown error: it may quote content.
                log.error("frame_failed", event_id=entry.event_id, error=type(error).__qualname__)
                for socket in concerned:
                    socket.end(BROKEN)
                return

    async def _shown(self, entry: Entry, sockets: Sequence[Socket]) -> list[tuple[Socket, str]]:
        """To each the frame that its kind of socket has of it, made once."""
        shown = []
        frames: dict[bool, str | None] = {}
        for socket in sockets:
            notice = socket.scope.kind == "user"
            if notice not in frames:
                frames[notice] = await self._frames.of(self._database, entry, notice=notice)
            frame = frames[notice]
            if frame is not None:
                shown.append((socket, frame))
        return shown

    async def _audience(
        self, tenant_id: TenantId, conversation_id: ConversationId, sockets: Sequence[Socket]
    ) -> list[Socket]:
        """Who of these is to know of what happens in the conversation: by the rule that the REST API has, too."""
        if not sockets:
            return []
        stored = await self._conversations.find(self._database, tenant_id, conversation_id)
        if stored is None:
            return []
        members: Collection[ParticipantId] = ()
        if any(one.scope.kind == "user" for one in sockets):
            found = await self._conversations.members(self._database, conversation_id)
            members = {member.participant.participant_id for member in found}
        allowed: dict[Caller, bool] = {}
        audience = []
        for socket in sockets:
            if not socket.scope.covers(stored.conversation, members) or not socket.wants(conversation_id):
                continue
            if socket.caller not in allowed:
                allowed[socket.caller] = await self._may_see(socket.caller, conversation_id)
            if allowed[socket.caller]:
                audience.append(socket)
        return audience

    async def _may_see(self, caller: Caller, conversation_id: ConversationId) -> bool:
        try:
            await self._access.to(self._database, caller, conversation_id)
        except NotFound:
            return False
        return True

    async def check(self, socket: Socket, conversation_id: ConversationId) -> None:
        """Raise `NotFound` where the socket is told nothing of the conversation, whether it wants to or not."""
        stored = await self._access.to(self._database, socket.caller, conversation_id)
        found = await self._conversations.members(self._database, conversation_id)
        members = {member.participant.participant_id for member in found}
        if not socket.scope.covers(stored.conversation, members):
            raise NotFound(
                "This conversation is none of this socket's. Open the socket of its party, vendor or person.",
                field="conversation_id",
            )
