"""The bridge's clock is wrong from one start to the next."""

from tests.faults.suite.trial import Scenario, Trial

HOUR = 3_600_000


async def stepped(trial: Trial) -> None:
    """A day ahead, then an hour behind, then right: each time what waited goes on waiting under another clock."""
    subject = trial.ground.subject
    with trial.load.on_and_on():
        for offset in (25 * HOUR, -HOUR, 0):
            await trial.load.more(trial.random.randint(5, 15))
            await subject.kill()
            await subject.start(clock_offset=offset)


SCENARIOS = (
    Scenario(
        name="clock stepped",
        does="the bridge starts with its clock 25 h ahead, then 1 h behind, then right",
        parts=("clock", "bridge"),
        inject=stepped,
    ),
)
