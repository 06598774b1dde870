"""Who is there, in memory only; when somebody was last seen is kept, coarsely, and written down now and then."""

import asyncio

import structlog

from bridge.core.clock import Clock
from bridge.signals import rules
from bridge.signals.events import PresenceChanged
from bridge.signals.feed import Feed
from bridge.signals.model import Person, Presence, PresenceState, Sign
from bridge.signals.store import SeenStore
from bridge.storage.database import Database, DatabaseError, Reader

MOST_PEOPLE = 50_000
"""In memory at once; who was heard of longest ago is forgotten first, and shown as offline."""
PAUSE = 5.0
"""Seconds between two commits of what is to be kept."""

log = structlog.get_logger(__name__)


class PresenceBoard:
    def __init__(
        self, database: Database, store: SeenStore, feed: Feed, clock: Clock, *, most: int = MOST_PEOPLE
    ) -> None:
        self._database = database
        self._store = store
        self._feed = feed
        self._clock = clock
        self._most = most
        self._signs: dict[Person, Sign] = {}
        self._kept: dict[Person, int] = {}
        self._to_keep: dict[Person, int] = {}
        self._some = asyncio.Event()

    async def of(self, reader: Reader, person: Person) -> Presence:
        kept = await self._store.get(reader, person)
        return rules.shown(self._signs.get(person), kept=kept, now=self._clock.now())

    def declared(self, person: Person, state: PresenceState) -> None:
        """As the platform says, who has to say it again before it has passed."""
        now = self._clock.now()
        before = self._signs.get(person)
        seen_at = now if state == "online" else before.seen_at if before else None
        self._set(person, Sign(state=state, seen_at=seen_at, until=rules.present_until(now)))

    def seen(self, person: Person, state: PresenceState, *, at: int | None) -> None:
        """As their own client says; `at`: when they last did something there, if that is told."""
        now = self._clock.now()
        seen_at = now if at is None and state == "online" else at
        self._set(person, Sign(state=state, seen_at=None if seen_at is None else min(seen_at, now)))

    async def run(self) -> None:
        """Write down, now and then, when people were seen; until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            try:
                await self.keep()
            except DatabaseError as trouble:
                log.warning("last_seen_not_kept", reason=type(trouble).__qualname__)
            await asyncio.sleep(PAUSE)

    async def keep(self) -> None:
        to_keep, self._to_keep = self._to_keep, {}
        async with self._database.transaction() as tx:
            tx.may_be_lost = True  # people are seen again
            for person, at in to_keep.items():
                await self._store.put(tx, person, at=at)

    def _set(self, person: Person, sign: Sign) -> None:
        before = self._signs.pop(person, None)
        self._signs[person] = sign
        if len(self._signs) > self._most:
            oldest = next(iter(self._signs))
            del self._signs[oldest]
            self._kept.pop(oldest, None)
        if sign.seen_at is not None and rules.is_worth_keeping(sign.seen_at, kept=self._kept.get(person)):
            self._kept[person] = sign.seen_at
            self._to_keep[person] = sign.seen_at
            self._some.set()
        if before is None or before.state != sign.state:
            changed = PresenceChanged(
                tenant_id=person.tenant_id,
                participant_id=person.participant_id,
                state=sign.state,
                seen_at=sign.seen_at,
            )
            self._feed.publish(changed)
