"""What is to be done at its time: one thing after the other, and sleep in between."""

import asyncio
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import structlog

from bridge.core.clock import Clock
from bridge.storage.database import Database, DatabaseError, Reader, Transaction, TransactionConflict

LOOK_EVERY = 5.0
"""Seconds. What another process planned wakes nobody here, and clocks are set: so look now and then."""
PAUSE_AFTER_FAILURE = 1.0

Id = TypeVar("Id", bound=str)

log = structlog.get_logger(__name__)


class Due(ABC, Generic[Id]):
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._changed = asyncio.Event()

    @abstractmethod
    async def next(self, reader: Reader) -> tuple[int, Id] | None:
        """Whose time comes first, and when (ms)."""

    @abstractmethod
    async def do(self, tx: Transaction, what: Id) -> None:
        """It is not the next any more then."""

    @abstractmethod
    async def give_up(self, tx: Transaction, what: Id, error: str) -> None:
        """`error`: the name of what `do` raised. It is not the next any more then."""

    def wake(self) -> None:
        """What comes next may be something else now."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled. One process does; should two, each thing is still done once."""
        while True:
            self._changed.clear()
            try:
                pause = await self.do_due()
            except DatabaseError as trouble:
                log.warning("database_trouble", error=type(trouble).__qualname__)
                pause = PAUSE_AFTER_FAILURE
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def do_due(self) -> float:
        """Do all whose time has come, in the order of their times. Return in how many seconds to look again."""
        while (first := await self.next(self._database)) is not None:
            when, what = first
            wait = when - self._clock.now()
            if wait > 0:
                return min(LOOK_EVERY, wait / 1000)
            await self._try(what)
        return LOOK_EVERY

    async def _try(self, what: Id) -> None:
        try:
            async with self._database.transaction() as tx:
                await self.do(tx, what)
        except TransactionConflict:
            return  # it is still the first
        except DatabaseError:
            raise
        except Exception as error:
            # One that cannot be done must not keep all others waiting. Never the error's message: it may quote content.
            name = type(error).__qualname__
            log.error("due_not_done", what=what, error=name)
            async with self._database.transaction() as tx:
                await self.give_up(tx, what, name)
