"""The bridge's process dies, ends, or stands still."""

import asyncio
import os
import signal

from tests.faults.doom import Fault
from tests.faults.suite.festimo import Festimo
from tests.faults.suite.trial import CALM, Scenario, Trial

REACHED_WITHIN = 8.0
"""Seconds, from a start; places that are passed now and then are not reached every time."""


async def calm(trial: Trial) -> None:
    """Nothing: what recovery is measured as where there is nothing to recover from."""


async def killed(trial: Trial) -> None:
    """Again and again, at any moment, while both sides go on speaking."""
    subject = trial.ground.subject
    with trial.load.on_and_on():
        for _ in range(trial.sizes.kills):
            await trial.load.more(trial.random.randint(5, 15))
            await subject.kill()
            await subject.start()


async def killed_at_places(trial: Trial) -> None:
    """Places of the code that commit or call under this load, each before it and after it: some of them."""
    subject = trial.ground.subject
    assert isinstance(subject, Festimo)
    with trial.load.on_and_on():
        await trial.load.more(40)
        places = sorted({(passage.kind, passage.place) for passage in subject.life.passed})
        faults = [
            Fault(kind, trial.random.randint(1, 2), before, place)
            for kind, place in places
            for before in (True, False)
        ]
        trial.random.shuffle(faults)
        faults = faults[: trial.sizes.places]
        subject.doom(faults)
        await subject.kill()
        subject.lives.release()
        reached = 0
        while (life := await subject.lives.ready()).fault is not None:
            try:
                async with asyncio.timeout(REACHED_WITHIN):
                    await life.wait_death()
                    reached += life.died_at is not None
            except TimeoutError:
                await life.kill()
    trial.notes |= {"places": len(places), "faults": len(faults)}
    trial.met("reached", reached, at_least=1 if trial.sizes.quick else len(faults) // 2)


async def terminated(trial: Trial) -> None:
    subject = trial.ground.subject
    with trial.load.on_and_on():
        for _ in range(3):
            await trial.load.more(trial.random.randint(5, 15))
            await subject.stop()
            await subject.start()


async def away(trial: Trial) -> None:
    """Messages and new sessions wait for it."""
    subject = trial.ground.subject
    await subject.kill()
    await asyncio.sleep(trial.sizes.frozen / 6)
    await subject.start()


async def frozen(trial: Trial) -> None:
    pid = trial.ground.subject.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(trial.sizes.frozen)
    finally:
        os.kill(pid, signal.SIGCONT)


SCENARIOS = (
    Scenario(
        name=CALM,
        does="nothing; the recovery is what the machine needs for the load that is under way",
        parts=(),
        inject=calm,
        quick="sqlite",
    ),
    Scenario(
        name="bridge killed",
        does="SIGKILL at any moment, again and again, and a start after each",
        parts=("bridge",),
        inject=killed,
        quick="sqlite",
    ),
    Scenario(
        name="bridge killed at named places",
        does="SIGKILL just before or after a place in its code that commits or calls: 40 of them (4 in the quick run)",
        parts=("bridge",),
        inject=killed_at_places,
        quick="sqlite",
        ours_only=True,
    ),
    Scenario(
        name="bridge terminated",
        does="SIGTERM in the midst of work, and a start, three times",
        parts=("bridge",),
        inject=terminated,
    ),
    Scenario(
        name="bridge away",
        does="killed, and started only after a while in which both sides spoke on",
        parts=("bridge",),
        inject=away,
    ),
    Scenario(
        name="bridge frozen",
        does="SIGSTOP, and SIGCONT after a minute (10 s in the quick run)",
        parts=("bridge",),
        inject=frozen,
    ),
)
