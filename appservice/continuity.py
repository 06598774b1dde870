"""Whether all that was said before what was delivered is known to be here. In doubt, rooms wait until that is sure.

Homeservers deliver out of order, or not at all, where something failed: Synapse may send a new transaction before it
sends one that failed again, and one that it made in the moment in which it recovered stays unsent. What is stored
waits then, and is applied only after the homeserver was asked what there is, and in which order (`appservice.repair`).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from appservice.inbound.lanes import PREFIX

LONGEST_COUNTER = 11
"""Digits. More are a time: such ids tell of no gap."""

log = structlog.get_logger(__name__)


class Continuity:
    """Begins in doubt."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        """Held by whoever stores events of rooms: what came in while they are put in order would be missing in it."""
        self.doubts = 0
        """How many there were: a look that began before the last of them does not settle it."""
        self._last: int | None = None
        self._opened: Callable[[], None] = lambda: None
        self._doubted = asyncio.Event()
        self._doubted.set()

    def doubt(self, reason: str) -> None:
        """Something may not have been delivered, or come in another order."""
        if not self._doubted.is_set():
            log.info("order_doubted", reason=reason)
        self.doubts += 1
        self._doubted.set()

    def transaction(self, txn_id: str) -> None:
        """Note that the homeserver delivers this transaction: its ids count, where they are numbers.

        To be called before its events can be seen.
        """
        if not (txn_id.isascii() and txn_id.isdecimal() and len(txn_id) <= LONGEST_COUNTER):
            return
        number, last = int(txn_id), self._last
        self._last = number
        if last is None or number not in (last, last + 1):
            self.doubt("a transaction is missing")

    def settle(self, doubts: int) -> None:
        """Since there had been so many doubts, all has been taken in and put in order."""
        if doubts == self.doubts:
            self._doubted.clear()
            self._opened()

    def holds(self, lane: str) -> bool:
        """The gate of the inbox: whether it is not sure what comes first in this lane."""
        return self._doubted.is_set() and lane.startswith(PREFIX)

    def on_open(self, opened: Callable[[], None]) -> None:
        """Have `opened` called whenever lanes are held up no longer."""
        self._opened = opened

    async def doubted(self, within: float) -> bool:
        """Wait for a doubt, so many seconds at most. Return whether there is one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._doubted.wait()
        return self._doubted.is_set()
