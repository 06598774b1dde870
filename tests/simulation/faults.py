"""What is to go wrong, and between whom: a plan that the database and the line to the homeserver ask at every step."""

import asyncio
import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from appservice.homeserver import HomeserverUnavailable
from bridge.storage.database import Database, DatabaseUnavailable
from tests.fakes.database import WrappedDatabase

Place = Literal["commit", "call"]
Moment = Literal["before", "after"]
What = Literal["dies", "fails"]
CANARY = "canary"
"""In every text that anybody says: wherever it is found in the clear, something leaks."""


@dataclass
class Plan:
    """At the `countdown`-th commit or call from now; `name`: of such calls only."""

    place: Place
    moment: Moment
    what: What
    countdown: int
    name: str | None = None


class Faults:
    def __init__(self, order: random.Random) -> None:
        self._random = order
        self.plans: list[Plan] = []
        self.database_down = False
        self.homeserver_down = False

    def none(self) -> None:
        self.plans.clear()
        self.database_down = self.homeserver_down = False

    def at(self, place: Place, moment: Moment, name: str) -> What | None:
        for plan in self.plans:
            if (plan.place, plan.moment) == (place, moment) and plan.name in (None, name):
                plan.countdown -= 1
                if plan.countdown <= 0:
                    self.plans.remove(plan)
                    return plan.what
        return None

    async def latency(self) -> None:
        await asyncio.sleep(self._random.uniform(0.001, 0.03))


class Life:
    """Of a process: once it is over, nothing that it does has an effect any more."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.over = asyncio.Event()

    def check(self) -> None:
        if self.over.is_set():
            raise asyncio.CancelledError

    def moment(
        self, place: Place, moment: Moment, failure: Callable[[], Exception], *, name: str = ""
    ) -> None:
        self.check()
        what = self.faults.at(place, moment, name)
        if what == "dies":
            self.over.set()
            self.check()
        if what == "fails":
            raise failure()


class MortalDatabase(WrappedDatabase):
    """The real database, as the process gets at it."""

    def __init__(self, real: Database, life: Life) -> None:
        super().__init__(real)
        self._life = life

    async def before_use(self) -> None:
        self._check()

    async def before_commit(self) -> None:
        self._check()
        self._life.moment("commit", "before", _no_database)

    async def after_commit(self) -> None:
        # As PostgreSQL may: stored, but nobody hears of it.
        self._life.moment("commit", "after", _no_database)

    def _check(self) -> None:
        self._life.check()
        if self._life.faults.database_down:
            raise _no_database()


class Line:
    """To the homeserver: takes time, breaks, and remembers no plaintext."""

    def __init__(self, homeserver: object, life: Life) -> None:
        self._homeserver, self._life = homeserver, life

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._homeserver, name)

        async def over_the_line(*args: Any, **kwargs: Any) -> Any:
            assert CANARY not in repr((args, kwargs)), f"{name} tells the homeserver what was said"
            await self._pass(name, "before")
            copied = {name: _copy(value) for name, value in kwargs.items()}
            answer = await call(*(_copy(value) for value in args), **copied)
            await self._pass(name, "after")
            return _copy(answer)

        return over_the_line

    async def _pass(self, name: str, moment: Moment) -> None:
        await self._life.faults.latency()
        self._life.moment("call", moment, _no_answer, name=name)
        if self._life.faults.homeserver_down:
            raise _no_answer()


def _copy(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, dict | list) else value


def _no_database() -> Exception:
    return DatabaseUnavailable("simulated")


def _no_answer() -> Exception:
    return HomeserverUnavailable("simulated")
