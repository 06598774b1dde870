"""`python -m benchmarks.baseline`: the fault scenarios that apply to both, with ours and with the alternative."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.baseline.subject import Baseline
from tests.faults.suite import report
from tests.faults.suite.__main__ import SEED, choose
from tests.faults.suite.festimo import Festimo
from tests.faults.suite.ground import MakeSubject
from tests.faults.suite.run import Outcome, Run
from tests.faults.suite.trial import FULL, QUICK

SUBJECTS: dict[str, MakeSubject] = {"festimo": Festimo, "mautrix": Baseline}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go with us
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    arguments = _arguments()
    found: dict[str, list[Outcome]] = {}
    for name in arguments.subject or SUBJECTS:
        print(f"\n{name}\n", flush=True)
        with TemporaryDirectory(prefix="festimo-baseline-") as temporary:
            folder = arguments.folder / name if arguments.folder else Path(temporary)
            found[name] = asyncio.run(_play(name, folder, arguments))
    for name, outcomes in found.items():
        print(f"\n{name}\n{report.table(outcomes)}")
    told = {name: [outcome.as_json() for outcome in outcomes] for name, outcomes in found.items()}
    arguments.output.write_text(json.dumps(told, indent=1) + "\n")
    print(f"\nAll of it: {arguments.output}")


async def _play(name: str, folder: Path, arguments: argparse.Namespace) -> list[Outcome]:
    run = Run(
        folder=folder,
        make=SUBJECTS[name],
        chosen=[
            (scenario, kind)
            for scenario, kind in choose(quick=False, only=arguments.only, database="sqlite")
            if not scenario.ours_only and "clock" not in scenario.parts
        ],
        sizes=FULL if arguments.full else QUICK,
        base_seed=SEED,
        tell=lambda text: print(text, flush=True),
    )
    outcomes = []
    async for outcome in run.outcomes():
        print(report.line(outcome), flush=True)
        outcomes.append(outcome)
    return outcomes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baseline", description=__doc__)
    parser.add_argument("--full", action="store_true", help="as many messages as `make faults` sends")
    parser.add_argument("--only", action="append", default=[], metavar="PART", help="of a scenario's name")
    parser.add_argument("--subject", action="append", choices=SUBJECTS, help="one of them only")
    parser.add_argument("--folder", type=Path, help="keep logs and databases there")
    parser.add_argument("--output", type=Path, default=Path("baseline.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
