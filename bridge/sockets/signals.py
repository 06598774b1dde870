"""Carries typing and presence to the sockets: lossy, bounded, in nobody's way.

What changes is noted at once and told a moment later, off the path of what happened: of the same person in the same
conversation only what came last. So a flood costs no more than a few looks at the database for each of its people.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

import structlog

from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.signals.api.presence import GET as GET_PRESENCE
from bridge.signals.api.typing import GET as GET_TYPING
from bridge.signals.events import PresenceChanged, TypingChanged
from bridge.signals.service import Signals
from bridge.sockets.hub import Hub
from bridge.sockets.metrics import SIGNALS
from bridge.sockets.outgoing import Signal
from bridge.sockets.present import Socket
from bridge.sockets.views import PresenceFrame, TypingIndicator
from bridge.storage.database import DatabaseError
from bridge.web.fields import rfc3339

TYPING_SCOPE, PRESENCE_SCOPE = GET_TYPING.scope, GET_PRESENCE.scope
"""What a key must be good for: as these operations, which tell the same."""
MOST_WAITING = 10_000
"""Of each kind. What comes while so many wait is dropped."""
AT_ONCE = 100
"""Changes that are told between two pauses."""
SOCKETS_AT_ONCE = 50
PAUSE = 0.05
PAUSE_OF_FRAME = 0.0005
TICK = 0.5
"""Seconds. `PAUSE`: after each turn; `PAUSE_OF_FRAME`: for each frame, after so many sockets: a flood has its share of
a core, and what happened never waits for long. `TICK`: between looks for what ends by itself."""
REPEAT_AFTER = timedelta(seconds=3) // timedelta(milliseconds=1)
"""Whoever goes on typing is told of again this much later, however often they say it."""

K = TypeVar("K")
V = TypeVar("V")

log = structlog.get_logger(__name__)

_Typist = tuple[TenantId, ConversationId, ParticipantId]
_Person = tuple[TenantId, ParticipantId]


class SignalsOnSockets:
    def __init__(self, hub: Hub, signals: Signals) -> None:
        self._hub = hub
        self._typing_board, self._presence_board = signals.typing, signals.presence
        self._typing: dict[_Typist, TypingChanged] = {}
        self._presence: dict[_Person, PresenceChanged] = {}
        self._shown: dict[_Typist, int] = {}
        """Until when those type of whom the sockets were told."""
        self._some = asyncio.Event()
        signals.on_change(self.note)

    def note(self, changed: TypingChanged | PresenceChanged) -> None:
        """Returns at once."""
        match changed:
            case TypingChanged():
                self._note_typing(changed)
            case PresenceChanged() if self._is_heard(changed.tenant_id):
                _note(self._presence, (changed.tenant_id, changed.participant_id), changed)
                self._some.set()

    def _note_typing(self, changed: TypingChanged) -> None:
        typist = (changed.tenant_id, changed.conversation_id, changed.participant_id)
        if changed.until is None:
            self._shown.pop(typist, None)
        if not self._is_heard(changed.tenant_id):
            return
        if changed.until is not None:
            if changed.until - self._shown.get(typist, 0) < REPEAT_AFTER:
                return
            self._shown[typist] = changed.until
        _note(self._typing, typist, changed)
        self._some.set()

    async def run(self) -> None:
        """Tell of what is noted, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(TICK):
                    await self._some.wait()
            except TimeoutError:
                pass
            self._some.clear()
            self._typing_board.lapse()
            self._presence_board.lapse()
            try:
                await self.step()
            except DatabaseError as trouble:
                log.warning("signals_dropped", reason=type(trouble).__qualname__)
            if self._typing or self._presence:
                self._some.set()
            await asyncio.sleep(PAUSE)

    async def step(self) -> None:
        """What is noted, those first that wait longest, as much of it as is told at once."""
        for _ in range(AT_ONCE):
            if self._typing:
                typing = self._typing.pop(next(iter(self._typing)))
                follow = await self._hub.who_follows(typing.tenant_id, typing.conversation_id)
                # Who types knows it.
                others = [one for one in follow if one.caller.participant_id != typing.participant_id]
                await _tell(others, typing_signal(typing))
            if self._presence:
                change = self._presence.pop(next(iter(self._presence)))
                follow = await self._hub.who_follows_person(change.tenant_id, change.participant_id)
                await _tell(follow, presence_signal(change))

    def _is_heard(self, tenant_id: TenantId) -> bool:
        return self._hub.present.some(tenant_id, "party", "vendor")


def typing_signal(changed: TypingChanged) -> Signal:
    frame = TypingIndicator(
        conversation_id=changed.conversation_id,
        participant_id=changed.participant_id,
        is_typing=changed.until is not None,
        until=None if changed.until is None else rfc3339(changed.until),
    )
    key = ("typing", changed.conversation_id, changed.participant_id)
    return Signal(key, frame.model_dump_json(), TYPING_SCOPE, until=changed.until)


def presence_signal(changed: PresenceChanged) -> Signal:
    frame = PresenceFrame(
        participant_id=changed.participant_id,
        presence=changed.state,
        last_seen=None if changed.seen_at is None else rfc3339(changed.seen_at),
    )
    return Signal(("presence", changed.participant_id), frame.model_dump_json(), PRESENCE_SCOPE)


async def _tell(sockets: Sequence[Socket], signal: Signal) -> None:
    for begin in range(0, len(sockets), SOCKETS_AT_ONCE):
        some = sockets[begin : begin + SOCKETS_AT_ONCE]
        for socket in some:
            socket.hint(signal)
        await asyncio.sleep(PAUSE_OF_FRAME * len(some))


def _note(waiting: dict[K, V], key: K, value: V) -> None:
    if key in waiting or len(waiting) < MOST_WAITING:
        waiting[key] = value
    else:
        SIGNALS.labels("dropped").inc()
