"""Record what happened in the transaction that made it true, put it in order once that is committed, forget it in time.

Numbers that a database gives out inside transactions are seen in the order of the commits: a reader that has passed 7
would never see 6. So an entry has its place in the order only once it is committed, from one transaction at a time.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from bridge.core.clock import Clock
from bridge.core.events import Event
from bridge.core.ids import ConversationId, new_id
from bridge.feed.kinds import KINDS, PRIVATE
from bridge.feed.store import FeedStore
from bridge.storage.database import Database, DatabaseError, Reader, Transaction

AT_ONCE = 500
"""Entries that one transaction puts in order, or forgets."""
SWEEP_EVERY = 5.0
"""Seconds. What another process recorded, or a commit of which nobody heard, wakes nobody: so look now and then."""
PAUSE = 0.05
LONGEST_PAUSE = 0.2
PAUSE_FACTOR = 40
"""Seconds between two turns, and how many times as long as the last one took: what is lively is put in order together,
more of it where the database is busy; what comes after a rest soon."""
PAUSE_WHILE_WATCHED = 0.03
"""Seconds, where somebody sees at once what comes."""
LINGER = 0.01
"""Seconds from what came to its turn: first whoever said it goes on, so that the next message is on its way."""
FORGET_EVERY = 10 * 60 * 1000
"""Milliseconds."""
_LOCK = "feed"

Read = Callable[[Reader], Awaitable[int | None]]
"""Up to which `seq` somebody has read who must not miss anything; None: nobody reads."""

log = structlog.get_logger(__name__)


class Feed:
    def __init__(self, database: Database, store: FeedStore, clock: Clock, *, kept: int) -> None:
        """`kept`: milliseconds for which an entry is there at least; but for the newest, which stays."""
        self._database = database
        self._store = store
        self._clock = clock
        self._kept = kept
        self._came = asyncio.Event()
        self._on_order: list[Callable[[], None]] = []
        self._watched: list[Callable[[], bool]] = []
        self._readers: list[Read] = []
        self._forgot_at = 0

    def on_order(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever entries were put in order by this process."""
        self._on_order.append(tell)

    def hurry_while(self, watched: Callable[[], bool]) -> None:
        """Put in order sooner while `watched` says that somebody waits for it."""
        self._watched.append(watched)

    def keep_for(self, read: Read) -> None:
        """Forget nothing that `read` says is not read yet, however old it is."""
        self._readers.append(read)

    async def record(self, tx: Transaction, event: Event) -> None:
        """Keep an entry of the event, where it is of a kind that has one."""
        kind = KINDS.get(type(event))
        if kind is None:
            return
        await self._store.insert(tx, event, kind, event_id=new_id(), created_at=self._clock.now())
        tx.after_commit(self._came.set)

    async def run(self) -> None:
        """Put in order what comes, until cancelled. One process does; should two, they take turns."""
        while True:
            self._came.clear()
            begun = asyncio.get_running_loop().time()
            try:
                while await self.order() == AT_ONCE:
                    pass
                if self._clock.now() - self._forgot_at >= FORGET_EVERY:
                    while await self.forget() >= AT_ONCE:
                        pass
                    self._forgot_at = self._clock.now()
            except DatabaseError as error:
                log.error("feed_trouble", error=type(error).__qualname__)
                await asyncio.sleep(1)
                continue
            await asyncio.sleep(self._pause(asyncio.get_running_loop().time() - begun))
            try:
                async with asyncio.timeout(SWEEP_EVERY):
                    await self._came.wait()
                await asyncio.sleep(LINGER)
            except TimeoutError:
                pass

    def _pause(self, took: float) -> float:
        if any(watched() for watched in self._watched):
            return PAUSE_WHILE_WATCHED
        return min(max(PAUSE, PAUSE_FACTOR * took), LONGEST_PAUSE)

    async def order(self) -> int:
        """Give the next entries their places; return how many."""
        async with self._database.transaction() as tx:
            await tx.lock(_LOCK)
            new = await self._store.unnumbered(tx, limit=AT_ONCE)
            if not new:
                return 0
            seq = (await self._store.newest(tx)).seq
            # In one order, whoever does it: two that count in another could wait for each other.
            of = sorted(Counter(one.conversation_id for one in new if one.kind not in PRIVATE).items())
            numbers: dict[ConversationId, int] = {}
            for conversation_id, how_many in of:
                numbers[conversation_id] = (
                    await self._store.count_on(tx, conversation_id, how_many) - how_many
                )
            given = []
            for one in new:
                seq += 1
                if one.kind in PRIVATE:
                    given.append((one.entry, seq, 0))
                    continue
                numbers[one.conversation_id] += 1
                given.append((one.entry, seq, numbers[one.conversation_id]))
            await self._store.number(tx, given)
        for tell in self._on_order:
            tell()
        return len(new)

    async def forget(self) -> int:
        """Delete the oldest entries that were kept long enough, without a gap; return how many."""
        too_old = self._clock.now() - self._kept
        async with self._database.transaction() as tx:
            await tx.lock(_LOCK)
            needed = (await self._store.newest(tx)).seq
            for read in self._readers:
                up_to = await read(tx)
                needed = needed if up_to is None else min(needed, up_to + 1)
            first = await self._store.first(tx, limit=AT_ONCE)
            # Up to the last of them that is too old: clocks jump, and what is forgotten has no holes.
            old = [seq for seq, created_at in first if created_at < too_old and seq < needed]
            return await self._store.forget(tx, up_to=old[-1]) if old else 0
