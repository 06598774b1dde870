"""What happens, told to whoever listens in this process right now: signals, and events once they are committed.

Nobody waits for a listener, and nothing is kept for one: who is too slow loses the oldest and is told that.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.core.events import Event
from bridge.signals.events import PresenceChanged

MOST_WAITING = 1_000

Told = Event | PresenceChanged


class Subscription:
    """`lost`: how many were not told because they were not taken in time."""

    def __init__(self, most: int) -> None:
        self._waiting: deque[Told] = deque()
        self._most = most
        self._some = asyncio.Event()
        self.lost = 0

    async def next(self) -> Told:
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()

    def tell(self, event: Told) -> None:
        if len(self._waiting) >= self._most:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(event)
        self._some.set()


class Feed:
    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: Told) -> None:
        for subscription in self._subscriptions:
            subscription.tell(event)

    @contextmanager
    def subscribe(self, *, most: int = MOST_WAITING) -> Iterator[Subscription]:
        """Be told of what happens from now on; up to `most` events wait to be taken."""
        subscription = Subscription(most)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
