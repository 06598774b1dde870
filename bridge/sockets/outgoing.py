"""What waits for one client to read it: what happened, in order; behind it signals, of each kind only the latest.

So a signal never delays what happened, and who reads slowly is told how it is now, not how it was.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from bridge.core.clock import Clock
from bridge.sockets.metrics import SIGNALS

MOST_FRAMES = 256
MOST_SIGNALS = 100


@dataclass(frozen=True, slots=True)
class Signal:
    """A frame that is not kept. `key`: of those that wait under the same one only the latest counts.

    `scope`: what an API key must be good for to be told; `until`: when it is not true any more, in epoch ms.
    """

    key: tuple[str, ...]
    frame: str
    scope: str
    until: int | None = None


class Outgoing:
    def __init__(
        self, clock: Clock, *, most_frames: int = MOST_FRAMES, most_signals: int = MOST_SIGNALS
    ) -> None:
        self._clock = clock
        self._most_frames = most_frames
        self._most_signals = most_signals
        self._frames: deque[str] = deque()
        self._signals: dict[tuple[str, ...], Signal] = {}
        self._some, self._room = asyncio.Event(), asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether no frame waits; a signal may."""
        return not self._frames

    def put(self, frame: str) -> bool:
        """Return False, changing nothing, where too many wait."""
        if len(self._frames) >= self._most_frames:
            return False
        self._frames.append(frame)
        self._some.set()
        return True

    async def put_in_turn(self, frame: str) -> None:
        """Once there is room: who sends and does not read, is not listened to."""
        while not self.put(frame):
            self._room.clear()
            await self._room.wait()

    def hint(self, signal: Signal) -> None:
        if signal.key not in self._signals and len(self._signals) >= self._most_signals:
            del self._signals[next(iter(self._signals))]
            SIGNALS.labels("crowded out").inc()
        self._signals[signal.key] = signal
        self._some.set()

    async def next(self) -> str:
        while True:
            if self._frames:
                self._room.set()
                return self._frames.popleft()
            signal = self._next_signal()
            if signal is not None:
                SIGNALS.labels("told").inc()
                return signal.frame
            self._some.clear()
            await self._some.wait()

    def _next_signal(self) -> Signal | None:
        now = self._clock.now()
        while self._signals:
            signal = self._signals.pop(next(iter(self._signals)))
            if signal.until is None or now < signal.until:
                return signal
            SIGNALS.labels("too late").inc()
        return None
