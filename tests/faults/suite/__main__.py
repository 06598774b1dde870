"""`python -m tests.faults.suite`: plays the scenarios, shows how each ended, writes faults.json. QUICK=1: some."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.suite import report
from tests.faults.suite.festimo import Festimo
from tests.faults.suite.ground import Kind
from tests.faults.suite.run import Outcome, Run
from tests.faults.suite.scenarios import ALL
from tests.faults.suite.trial import FULL, QUICK, Scenario

OUTPUT = Path("faults.json")
SEED = 20261121


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go with us
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    arguments = _arguments()
    chosen = choose(quick=arguments.quick, only=arguments.only, database=arguments.database)
    if arguments.list:
        for scenario, kind in chosen:
            say(f"{scenario.name} on {kind}: {scenario.does}")
        return
    with TemporaryDirectory(prefix="festimo-faults-") as temporary:
        folder = arguments.folder or Path(temporary)
        run = Run(
            folder=folder,
            make=Festimo,
            chosen=chosen,
            sizes=QUICK if arguments.quick else FULL,
            base_seed=SEED,
            tell=say,
            seed=arguments.seed,
        )
        outcomes = asyncio.run(_play(run))
    report.write(arguments.output, outcomes, subject="festimo", quick=arguments.quick, seed=SEED)
    say(f"\n{report.table(outcomes)}\n\nAll of it: {arguments.output}")
    sys.exit(1 if report.failed(outcomes) else 0)


async def _play(run: Run) -> list[Outcome]:
    outcomes = []
    async for outcome in run.outcomes():
        say(report.line(outcome))
        outcomes.append(outcome)
    return outcomes


def choose(
    *, quick: bool, only: Sequence[str] = (), database: Kind | None = None
) -> list[tuple[Scenario, Kind]]:
    """`only`: parts of names."""
    return [
        (scenario, kind)
        for scenario in ALL
        for kind in scenario.kinds
        if database in (None, kind)
        and (not only or any(part in scenario.name for part in only))
        and (not quick or bool(only) or scenario.quick == kind)
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.suite", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--only", action="append", default=[], metavar="PART", help="of a scenario's name")
    parser.add_argument("--database", choices=("sqlite", "postgres"))
    parser.add_argument("--seed", type=int, help="of an earlier run, with --only: play it again as it was")
    parser.add_argument("--folder", type=Path, help="keep logs and databases there")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--list", action="store_true", help="name what would be played")
    return parser.parse_args()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
