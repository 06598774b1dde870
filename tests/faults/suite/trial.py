"""One scenario, played: voices speak from both sides, the fault comes and goes, and then all must have arrived once."""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from tests.faults.suite.ground import Ground, Kind
from tests.faults.suite.load import Load
from tests.faults.suite.oracle import Arrival, Oracle, Verdict, judge, wanted_of

RECOVERY_LIMIT = 10.0
"""Seconds, beyond what `calm` took in the same run."""
CALM = "calm"
PATIENCE = 75.0
"""Seconds within which all comes, else it is late."""
LOST_AFTER = 200.0
"""Seconds that what is late may still come: gap repair looks every 180 s, and at once where it is in doubt."""
AFTERWARDS = 1.0
"""Seconds in which something could come a second time."""


@dataclass(frozen=True, slots=True)
class Sizes:
    quick: bool
    messages: int
    """Of a scenario."""
    frozen: float
    """Seconds for which something stands still."""
    kills: int
    """Of the bridge, in a scenario that kills it again and again."""
    places: int
    """Of its code, at which it is killed, at most."""


FULL = Sizes(quick=False, messages=150, frozen=60.0, kills=12, places=40)
QUICK = Sizes(quick=True, messages=98, frozen=10.0, kills=3, places=4)


@dataclass(slots=True)
class Trial:
    """What a scenario is given."""

    ground: Ground
    load: Load
    random: Random
    sizes: Sizes
    begin_history_anew: Callable[[], None]
    """To be called while the bridge is down, where it will go on with another database."""
    forgiven: set[Arrival] = field(default_factory=set)
    """What the fault itself takes away from who has it: a history as old as the copy that was restored."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What only this scenario has to tell."""

    def met(self, what: str, count: int, *, at_least: int = 1) -> None:
        """Note how often the fault was met. Raises `FaultNotMet`: where nothing was hurt, nothing was shown."""
        self.notes[what] = count
        if count < at_least:
            raise FaultNotMet(f"{what}: {count}, where {at_least} would be the least")


class FaultNotMet(Exception):
    """The scenario was played without its fault."""


Inject = Callable[[Trial], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`inject` brings the fault, and returns at the moment when the faulted part works again."""

    name: str
    does: str
    """In a sentence."""
    parts: tuple[str, ...]
    """What it hurts: bridge, homeserver, database, network, keys, clock."""
    inject: Inject
    kinds: tuple[Kind, ...] = ("sqlite", "postgres")
    quick: Kind | None = None
    """The database with which it belongs to the quick run."""
    ours_only: bool = False
    """It needs more of the bridge than a `Subject` has."""
    alone: bool = False
    """What it leaves behind is no ground for others."""
    hindrance: Callable[[Ground], str | None] = lambda ground: None
    """Why its fault cannot be brought there, or None."""


@dataclass(frozen=True, slots=True)
class Result:
    scenario: str
    database: Kind
    does: str
    parts: tuple[str, ...]
    seed: int
    verdict: Verdict
    recovery_seconds: float
    seconds: float
    notes: dict[str, Any]
    late: int = 0
    """Messages that came after all, but not within `PATIENCE`."""
    calm_seconds: float = 0.0
    """What the same took in this run where nothing had happened: so slow is the machine."""

    @property
    def unharmed(self) -> bool:
        """All that was said arrived, once, in order, readable: however long it took."""
        found = self.verdict
        return found.lost + found.duplicated + found.out_of_order + found.undecryptable_finally == 0

    @property
    def passed(self) -> bool:
        return self.unharmed and self.recovery_seconds < RECOVERY_LIMIT + self.calm_seconds

    def as_json(self) -> dict[str, Any]:
        raw = asdict(self)
        return {**raw, **raw.pop("verdict"), "unharmed": self.unharmed, "passed": self.passed}


def seed_of(name: str, kind: Kind, base: int) -> int:
    return zlib.crc32(f"{name}/{kind}/{base}".encode())


async def conduct(
    ground: Ground, oracle: Oracle, scenario: Scenario, *, seed: int, sizes: Sizes, calm_seconds: float = 0.0
) -> Result:
    begun = time.monotonic()
    random = Random(seed)
    prefix = f"{scenario.name.replace(' ', '_').replace('-', '_')}.{int(begun * 1000):x}"
    load = Load(ground, prefix, quota=sizes.messages, random=random, arrived=oracle.has)
    late_before = set(oracle.late)
    trial = Trial(ground, load, random, sizes, oracle.begin_history_anew)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(oracle.watch(), name="oracle")
        speaking = tasks.create_task(load.speak(), name="load")
        await load.more(sizes.messages // 4)
        await scenario.inject(trial)
        healed = time.monotonic()
        await load.one_more_each()
        at_stake = [
            arrival for voice in load.voices for arrival in wanted_of(voice) if arrival not in trial.forgiven
        ]
        await oracle.all_there(at_stake, PATIENCE)
        load.end()
        await speaking
        everything = {arrival for voice in load.voices for arrival in wanted_of(voice)}
        spoken = time.monotonic()
        await oracle.all_there(everything - trial.forgiven, LOST_AFTER)
        await asyncio.sleep(AFTERWARDS)
        watching.cancel()
    await oracle.look()
    due = dict.fromkeys(everything, spoken + PATIENCE) | dict.fromkeys(at_stake, healed + PATIENCE)
    last = max((oracle.arrived.get(arrival, float("inf")) for arrival in at_stake), default=healed)
    refused = sum(voice.refused for voice in load.voices)
    slowest = max(at_stake, key=lambda arrival: oracle.arrived.get(arrival, float("inf")))
    return Result(
        scenario=scenario.name,
        database=ground.kind,
        does=scenario.does,
        parts=scenario.parts,
        seed=seed,
        verdict=judge(oracle, load.voices, late_before=late_before, forgiven=trial.forgiven),
        recovery_seconds=round(max(last - healed, 0.0), 2) if last != float("inf") else LOST_AFTER,
        seconds=round(time.monotonic() - begun, 1),
        notes={"refused_and_said_again": refused, "slowest": f"{slowest[1]} at {slowest[0][1]}"}
        | trial.notes,
        late=len(late_of(oracle.arrived, due)),
        calm_seconds=calm_seconds,
    )


def late_of(arrived: Mapping[Arrival, float], due: Mapping[Arrival, float]) -> set[str]:
    """Texts that came, but not when they were due. What never came is lost."""
    return {text for (who, text), until in due.items() if arrived.get((who, text), until) > until}
