"""Ghosts that type, as people do who have no account. Nobody waits for it: what the homeserver is too slow for is lost.

Of an account holder nothing is told: their own client does that, and nobody else.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.names import Names
from appservice.room_map import room_of
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId
from bridge.participants.model import Participant
from bridge.signals.events import PresenceChanged, TypingChanged
from bridge.signals.rules import TYPING_SPAN, is_typing, typing_until
from bridge.storage.database import Database, DatabaseError

MOST_WAITING = 1_000
SPAN = TYPING_SPAN // timedelta(milliseconds=1)
REPEAT_AFTER = timedelta(seconds=3) // timedelta(milliseconds=1)
"""Whoever goes on typing is told of again this much later, however often the platform says it."""
PATIENCE = 5.0
"""Seconds for one call."""

_Key = tuple[ConversationId, str]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Wanted:
    is_typing: bool
    at: int


class GhostTyping:
    """The port of signals."""

    def __init__(self, database: Database, homeserver: Homeserver, names: Names, clock: Clock) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._clock = clock
        self._wanted: dict[_Key, _Wanted] = {}
        self._told: dict[_Key, int] = {}
        self._some = asyncio.Event()

    def typing(self, conversation_id: ConversationId, person: Participant, *, is_typing: bool) -> None:
        if person.mxid is not None:
            return
        key = (conversation_id, self._names.ghost(person.tenant_id, person.participant_id))
        now = self._clock.now()
        if is_typing and now - self._told.get(key, 0) < REPEAT_AFTER and key not in self._wanted:
            return
        if key in self._wanted or len(self._wanted) < MOST_WAITING:
            self._wanted[key] = _Wanted(is_typing, now)
            self._some.set()

    def changed(self, changed: TypingChanged | PresenceChanged) -> None:
        """Listens to signals: a ghost that has said what it typed, types no more. After a while it ends by itself."""
        if not isinstance(changed, TypingChanged) or changed.until is not None:
            return
        key = (changed.conversation_id, self._names.ghost(changed.tenant_id, changed.participant_id))
        now = self._clock.now()
        if key in self._wanted or now - self._told.get(key, 0) < SPAN:
            self._wanted[key] = _Wanted(False, now)
            self._some.set()

    async def run(self) -> None:
        """Tell the homeserver, one after the other, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            await self.step()

    async def step(self) -> None:
        """All that waits."""
        while self._wanted:
            key = next(iter(self._wanted))
            await self._tell(*key, self._wanted.pop(key))
        self._forget_old()

    async def _tell(self, conversation_id: ConversationId, ghost: str, wanted: _Wanted) -> None:
        if not is_typing(typing_until(wanted.at), now=self._clock.now()):
            return  # by now they may have stopped long ago
        try:
            room = await room_of(self._database, conversation_id)
            if room is None:
                return
            span = SPAN if wanted.is_typing else 0
            async with asyncio.timeout(PATIENCE):
                await self._homeserver.set_typing(ghost, room.room_id, milliseconds=span)
        except (HomeserverRefused, HomeserverUnavailable, TimeoutError, DatabaseError) as trouble:
            log.debug("typing_not_told", conversation=conversation_id, reason=type(trouble).__qualname__)
            return
        if wanted.is_typing:
            self._told[conversation_id, ghost] = self._clock.now()
        else:
            self._told.pop((conversation_id, ghost), None)

    def _forget_old(self) -> None:
        now = self._clock.now()
        self._told = {key: at for key, at in self._told.items() if now - at < SPAN}
