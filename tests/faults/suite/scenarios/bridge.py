"""The bridge's process dies, ends, or stands still."""

import asyncio
import os
import signal

from tests.faults.suite.trial import Scenario, Trial


async def killed(trial: Trial) -> None:
    """Again and again, at any moment, while both sides go on speaking."""
    subject = trial.ground.subject
    with trial.load.on_and_on():
        for _ in range(trial.sizes.kills):
            await trial.load.more(trial.random.randint(5, 15))
            await subject.kill()
            await subject.start()


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
        name="bridge killed",
        does="SIGKILL at any moment, again and again, and a start after each",
        parts=("bridge",),
        inject=killed,
        quick="sqlite",
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
