"""The bridge's clock steps while it works, and is another one at the next start."""

from tests.faults.suite.trial import Scenario, Trial

HOUR = 3_600_000


async def stepped(trial: Trial) -> None:
    """A day ahead, then an hour behind, then right: each time what waited goes on waiting under another clock."""
    subject = trial.ground.subject
    with trial.load.on_and_on():
        for offset in (25 * HOUR, -HOUR, 0):
            await trial.load.more(trial.random.randint(5, 15))
            await subject.kill()
            await subject.start(clock_offset=offset)  # right until it is ready


SCENARIOS = (
    Scenario(
        name="clock stepped",
        does="while the bridge works its clock steps 25 h ahead; after a kill it is right, then steps 1 h behind",
        parts=("clock", "bridge"),
        inject=stepped,
    ),
)
