"""Plays scenarios on their grounds, one after the other, and tells of each."""

import asyncio
import shutil
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from tests.faults.suite.ground import Ground, Kind, MakeSubject, ground
from tests.faults.suite.oracle import Oracle
from tests.faults.suite.trial import CALM, Result, Scenario, Sizes, conduct, seed_of

SCENARIO_LIMIT = 720.0


@dataclass(frozen=True, slots=True)
class _NoResult:
    scenario: str
    database: Kind
    seed: int
    why: str

    word: ClassVar[str]
    passed: ClassVar = False

    def as_json(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "database": self.database,
            "seed": self.seed,
            self.word: self.why,
            "passed": self.passed,
        }


class Failure(_NoResult):
    """The scenario could not be played to its end."""

    __slots__ = ()
    word = "error"
    unharmed = False


class NotPlayed(_NoResult):
    """Its fault cannot be brought here: that shows nothing, and does no harm."""

    __slots__ = ()
    word = "not_played"
    unharmed = True


Outcome = Result | Failure | NotPlayed


@dataclass(slots=True)
class Run:
    """`chosen`: what to play on which database."""

    folder: Path
    make: MakeSubject
    chosen: Sequence[tuple[Scenario, Kind]]
    sizes: Sizes
    base_seed: int
    tell: Callable[[str], None]
    seed: int | None = None
    """For the one scenario that is to be played again as it was."""
    _grounds: int = field(default=0)
    _calm: float = field(default=0.0)

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """A ground is kept for as long as nothing goes wrong on it."""
        waiting = sorted(self.chosen, key=lambda pair: (pair[1] == "postgres", pair[0].name != CALM))
        stack = AsyncExitStack()
        where: Ground | None = None
        oracle: Oracle | None = None
        try:
            for number, (scenario, kind) in enumerate(waiting, 1):
                seed = self.seed or seed_of(scenario.name, kind, self.base_seed)
                self.tell(f"[{number}/{len(waiting)}] {scenario.name} on {kind}, seed {seed}")
                if where is None or oracle is None or where.kind != kind or scenario.alone:
                    await self._end(stack)
                    stack, where = AsyncExitStack(), None
                    try:
                        where = await stack.enter_async_context(self._ground(kind))
                    except Exception as error:
                        traceback.print_exception(error)
                        yield Failure(scenario.name, kind, seed, f"nothing to play on: {error!r}")
                        continue
                    oracle = Oracle(where)
                if (why := scenario.hindrance(where)) is not None:
                    yield NotPlayed(scenario.name, kind, seed, why)
                    continue
                outcome = await self._play(where, oracle, scenario, seed)
                yield outcome
                if not outcome.passed:
                    self._keep_evidence(where)
                if not outcome.unharmed or scenario.alone:
                    where = None
        finally:
            await self._end(stack)

    async def _end(self, stack: AsyncExitStack) -> None:
        """What a scenario has spoiled may fail once more as it ends: the other scenarios are played all the same."""
        try:
            await stack.aclose()
        except Exception as error:
            self.tell(f"      its end failed: {error!r}")

    async def _play(self, where: Ground, oracle: Oracle, scenario: Scenario, seed: int) -> Outcome:
        try:
            async with asyncio.timeout(SCENARIO_LIMIT):
                result = await conduct(
                    where, oracle, scenario, seed=seed, sizes=self.sizes, calm_seconds=self._calm
                )
            if scenario.name == CALM:
                self._calm = result.recovery_seconds
                result = replace(result, calm_seconds=self._calm)
            return result
        except Exception as error:
            traceback.print_exception(error)
            return Failure(scenario.name, where.kind, seed, repr(error))

    def _keep_evidence(self, where: Ground) -> None:
        """The database as it is now, for whoever has named a folder."""
        for file in where.place.data.glob("*.db*"):
            shutil.copy(file, where.place.folder)

    def _ground(self, kind: Kind) -> AbstractAsyncContextManager[Ground]:
        self._grounds += 1
        return ground(self.folder / f"ground-{self._grounds}", kind, self.make)
