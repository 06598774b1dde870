"""The homeserver dies, ends, or stands still. On SQLite Synapse counts its transactions from 1 again at each start."""

import asyncio
import os
import signal

from tests.faults.suite.trial import Scenario, Trial


async def killed(trial: Trial) -> None:
    synapse = trial.ground.synapse
    with trial.load.on_and_on():
        for _ in range(1 if trial.sizes.quick else 3):
            await trial.load.more(trial.random.randint(5, 15))
            await synapse.kill()
            await synapse.start()


async def restarted(trial: Trial) -> None:
    await trial.ground.synapse.restart()


async def frozen(trial: Trial) -> None:
    pid = trial.ground.synapse.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(trial.sizes.frozen)
    finally:
        os.kill(pid, signal.SIGCONT)


async def both_killed(trial: Trial) -> None:
    ground = trial.ground
    await asyncio.gather(ground.synapse.kill(), ground.subject.kill())
    await ground.synapse.start()
    await ground.subject.start()


SCENARIOS = (
    Scenario(
        name="homeserver killed",
        does="SIGKILL to Synapse, and a start, three times (once in the quick run)",
        parts=("homeserver",),
        inject=killed,
        quick="sqlite",
    ),
    Scenario(
        name="homeserver restarted",
        does="SIGTERM to Synapse, and a start",
        parts=("homeserver",),
        inject=restarted,
    ),
    Scenario(
        name="homeserver frozen",
        does="SIGSTOP to Synapse for a minute (10 s in the quick run), then SIGCONT",
        parts=("homeserver",),
        inject=frozen,
    ),
    Scenario(
        name="homeserver and bridge killed",
        does="SIGKILL to both at once, then both are started",
        parts=("homeserver", "bridge"),
        inject=both_killed,
    ),
)
