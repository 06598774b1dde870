"""Reads the feed once for all sockets of this process and gives each what it may see, in order.

A socket that comes is told from the place at which the hub is; what was before, it reads by itself. So that nothing
falls between, taking the next entry in hand and noting who is there happens in one step.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence

import structlog

from bridge.conversations.access import Access, member_of
from bridge.conversations.model import Member
from bridge.conversations.store import ConversationStore, Stored
from bridge.core.caller import Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.feed.kinds import PRIVATE
from bridge.feed.model import BEGINNING, Entry, Place
from bridge.feed.store import FeedStore
from bridge.sockets.endings import BROKEN, RESTARTING
from bridge.sockets.frames import Frames
from bridge.sockets.look import Look
from bridge.sockets.present import Present, Socket
from bridge.sockets.scope import Scope, followed_by, scopes_of
from bridge.sockets.sight import Sight
from bridge.sockets.store import SocketStore
from bridge.sockets.vendors import TOLD, VendorsOnSockets
from bridge.storage.database import Database, DatabaseError

PAGE = 200
SWEEP_EVERY = 1.0
"""Seconds. What another process put in order wakes nobody here."""

log = structlog.get_logger(__name__)


class Forgotten(Exception):
    """What followed the place is not kept any more."""


class Hub:
    def __init__(
        self,
        database: Database,
        feed: FeedStore,
        store: SocketStore,
        conversations: ConversationStore,
        access: Access,
        vendors: VendorsOnSockets,
        frames: Frames,
    ) -> None:
        self._database = database
        self._feed = feed
        self._store = store
        self._conversations = conversations
        self._access = access
        self._vendors = vendors
        self._frames = frames
        self._sight = Sight(store)
        self.present = Present()
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
        self.present.come(socket)
        return self._place

    def leave(self, socket: Socket) -> None:
        self.present.go(socket)
        if not self.present and self._place is not None:
            self._place = None
            self._era += 1

    def close(self) -> None:
        """Have all clients come back later."""
        for socket in self.present.all():
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
                person=member_of(socket.caller),
                after=reached.seq,
                up_to=up_to.seq,
                limit=PAGE,
            )
            # Asked afterwards: what is forgotten, is forgotten from the beginning on.
            if not await self._feed.is_kept(self._database, reached):
                raise Forgotten
            look = Look(self._database)
            for entry in page:
                if await self._concerns(look, entry, socket):
                    frame = await self._frame(look, entry, socket)
                    if frame is not None:
                        yield entry.place, frame
            if len(page) < PAGE:
                return
            reached = page[-1].place

    async def check(self, socket: Socket, conversation_id: ConversationId) -> None:
        """Raise `NotFound` where the socket is told nothing of the conversation, whether it wants to or not."""
        stored = await self._access.to(self._database, socket.caller, conversation_id)
        there = await self._there(Look(self._database), conversation_id)
        if not socket.scope.covers(stored.conversation, there):
            raise NotFound(
                "This conversation is none of this socket's. Open the socket of its party, its vendor or a person in"
                " it, or its own one.",
                field="conversation_id",
            )

    # What is not kept

    async def who_follows(self, tenant_id: TenantId, conversation_id: ConversationId) -> list[Socket]:
        """Those to whom signals of this conversation are told now."""
        audience = await self._audience(
            Look(self._database), tenant_id, conversation_id, up_to=self.present.last
        )
        return [socket for socket in audience if socket.scope.kind != "user"]

    async def who_follows_person(self, tenant_id: TenantId, person: ParticipantId) -> list[Socket]:
        """Those who follow a conversation with this person now."""
        look, found = Look(self._database), dict[Socket, None]()
        for shared in await self._store.conversations_of(self._database, tenant_id, person):
            mark, scopes = (
                self.present.last,
                followed_by(shared.conversation_id, shared.party_ids, shared.vendors),
            )
            if found.keys() >= set(self.present.about(tenant_id, scopes, up_to=mark)):
                continue
            audience = await self._audience(look, tenant_id, shared.conversation_id, up_to=mark)
            found.update(dict.fromkeys(socket for socket in audience if socket.scope.kind != "user"))
        return list(found)

    # What happened

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
        look = Look(self._database)
        for entry in entries:
            if self._era != era:
                return True
            # One step: whoever comes from here on, reads this entry by itself.
            self._place, mark = entry.place, self.present.last
            if self.present.some(entry.tenant_id, "party", "vendor", "user"):
                await self._tell(look, entry, mark)
            if self._era == era:
                self.told = entry.place
            # Else those who read fast enough get no turn to read, and seem slow.
            await asyncio.sleep(0)
        return len(entries) == PAGE

    async def _tell(self, look: Look, entry: Entry, mark: int) -> None:
        """`mark`: who came later, reads it by itself."""
        concerned: Sequence[Socket] | None = None
        while True:
            try:
                concerned = await self._told_of(look, entry, up_to=mark)
                for socket, frame in [(one, await self._frame(look, entry, one)) for one in concerned]:
                    if frame is not None:
                        socket.offer(entry.place, frame)
                return
            except DatabaseError as error:
                log.error("sockets_trouble", error=type(error).__qualname__)
                await asyncio.sleep(1)
            except Exception as error:
                # Never the message of an unknown error: it may quote content.
                log.error("frame_failed", event_id=entry.event_id, error=type(error).__qualname__)
                if concerned is None:
                    concerned = self.present.of_tenant(entry.tenant_id, up_to=mark)
                for socket in concerned:
                    socket.end(BROKEN)
                return

    async def _frame(self, look: Look, entry: Entry, socket: Socket) -> str | None:
        """As this one is told of it: a person what they see, of a person's notifications what that person does."""
        if socket.scope.kind == "user":
            return await self._frames.notice(look, entry, person=ParticipantId(socket.scope.id))
        return await self._frames.of(look, entry, person=member_of(socket.caller))

    # Whom it concerns: by the rule that the REST API has, too

    async def _told_of(self, look: Look, entry: Entry, *, up_to: int) -> list[Socket]:
        if entry.kind in TOLD:
            return await self._vendors.audience(look, entry, self.present, up_to=up_to)
        found = await self._audience(look, entry.tenant_id, entry.conversation_id, up_to=up_to)
        return [socket for socket in found if await self._may_know(look, entry, socket)]

    async def _audience(
        self, look: Look, tenant_id: TenantId, conversation_id: ConversationId, *, up_to: int
    ) -> list[Socket]:
        """Who of those that were there at the mark `up_to` is to know of what happens in the conversation."""
        stored = await self._stored(look, tenant_id, conversation_id)
        if stored is None:
            return []
        there: Collection[Member] = ()
        if self.present.some(tenant_id, "user", "vendor"):
            there = await self._there(look, conversation_id)
        found = self.present.about(tenant_id, scopes_of(stored.conversation, there), up_to=up_to)
        return [
            socket
            for socket in found
            if socket.wants(conversation_id) and await self._may_see(look, socket.caller, conversation_id)
        ]

    async def _concerns(self, look: Look, entry: Entry, socket: Socket) -> bool:
        """Of an entry that was found for the socket."""
        if entry.kind in TOLD:
            return socket.scope.kind in TOLD[entry.kind]
        conversation_id = entry.conversation_id
        stored = await self._stored(look, socket.caller.tenant_id, conversation_id)
        if stored is None or not socket.wants(conversation_id):
            return False
        if not await self._may_know(look, entry, socket):
            return False
        there = await self._there(look, conversation_id)
        return socket.scope.covers(stored.conversation, there) and await self._may_see(
            look, socket.caller, conversation_id
        )

    async def _may_know(self, look: Look, entry: Entry, socket: Socket) -> bool:
        """Of who may see its conversation: that it is no other's own affair, and that they see what it is about."""
        return _is_theirs(socket, entry) and await self._sight.includes(look, entry, _whose_sight(socket))

    async def _stored(
        self, look: Look, tenant_id: TenantId, conversation_id: ConversationId
    ) -> Stored | None:
        return await look.once(
            ("conversation", tenant_id, conversation_id),
            lambda: self._conversations.find(look.reader, tenant_id, conversation_id),
        )

    async def _there(self, look: Look, conversation_id: ConversationId) -> Collection[Member]:
        """Those who are there."""

        async def find() -> Collection[Member]:
            found = await self._conversations.members(look.reader, conversation_id)
            return [member for member in found if member.away is None]

        return await look.once(("members", conversation_id), find)

    async def _may_see(self, look: Look, caller: Caller, conversation_id: ConversationId) -> bool:
        """Of a conversation of the caller's tenant: as `Access` has it, from what is asked once for all of them."""
        person = member_of(caller)
        if person is None:
            return True

        async def find() -> Collection[ParticipantId]:
            return {one.participant.participant_id for one in await self._there(look, conversation_id)}

        return person in await look.once(("there", conversation_id), find)


def _whose_sight(socket: Socket) -> ParticipantId | None:
    """Nobody's: programs and staff see all of what they follow."""
    if socket.scope.kind == "user":
        return ParticipantId(socket.scope.id)
    return member_of(socket.caller)


def _is_theirs(socket: Socket, entry: Entry) -> bool:
    """What concerns one person alone goes to their own connections, and to whoever has their notifications."""
    if entry.kind not in PRIVATE:
        return True
    whose = ParticipantId(entry.about["participant_id"])
    return member_of(socket.caller) == whose or socket.scope == Scope("user", whose)
