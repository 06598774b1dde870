"""Who is there, in memory only; when somebody was last seen is kept, coarsely, and written down now and then."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId, TenantId
from bridge.signals import rules
from bridge.signals.events import PresenceChanged
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
        self,
        database: Database,
        store: SeenStore,
        tell: Callable[[PresenceChanged], None],
        clock: Clock,
        *,
        most: int = MOST_PEOPLE,
    ) -> None:
        """`tell`: of every change; returns at once."""
        self._database = database
        self._store = store
        self._tell_of = tell
        self._clock = clock
        self._most = most
        self._signs: dict[Person, Sign] = {}
        self._declared: dict[Person, int] = {}
        """When what the platform said of them has passed: those first of whom it spoke longest ago."""
        self._kept: dict[Person, int] = {}
        self._to_keep: dict[Person, int] = {}
        self._some = asyncio.Event()

    async def of(self, reader: Reader, person: Person) -> Presence:
        kept = await self._store.get(reader, person)
        return rules.shown(self._signs.get(person), kept=kept, now=self._clock.now())

    async def of_people(
        self, reader: Reader, tenant_id: TenantId, participant_ids: Sequence[ParticipantId]
    ) -> dict[ParticipantId, Presence]:
        """Of each of them: the vendors' port."""
        kept, now = await self._store.of_people(reader, tenant_id, participant_ids), self._clock.now()
        people = {one: Person(tenant_id=tenant_id, participant_id=one) for one in participant_ids}
        return {
            one: rules.shown(self._signs.get(person), kept=kept.get(one), now=now)
            for one, person in people.items()
        }

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

    def lapse(self) -> None:
        """Who was declared to be there, and of whom nothing was heard since, has gone: tell of it."""
        now = self._clock.now()
        while self._declared:
            person, until = next(iter(self._declared.items()))
            if now < until:
                return
            self._set(person, Sign(state="offline", seen_at=self._signs[person].seen_at))

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
        before = self._forget(person)
        self._signs[person] = sign
        if sign.until is not None:
            self._declared[person] = sign.until
        if len(self._signs) > self._most:
            oldest = next(iter(self._signs))
            self._forget(oldest)
            self._kept.pop(oldest, None)
        if sign.seen_at is not None and rules.is_worth_keeping(sign.seen_at, kept=self._kept.get(person)):
            self._kept[person] = sign.seen_at
            self._to_keep[person] = sign.seen_at
            self._some.set()
        if before is None or before.state != sign.state:
            self._tell(person, sign.state, sign.seen_at)

    def _forget(self, person: Person) -> Sign | None:
        self._declared.pop(person, None)
        return self._signs.pop(person, None)

    def _tell(self, person: Person, state: PresenceState, seen_at: int | None) -> None:
        changed = PresenceChanged(
            tenant_id=person.tenant_id, participant_id=person.participant_id, state=state, seen_at=seen_at
        )
        self._tell_of(changed)
