"""What the benchmarks of `make` may be told; the environment says the same to `make`."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

DATABASES = ("SQLite", "PostgreSQL")


@dataclass(frozen=True, slots=True)
class Arguments:
    quick: bool
    databases: Sequence[str]


def arguments(module: str, about: str | None) -> Arguments:
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument(
        "--quick",
        action="store_true",
        default=bool(os.environ.get("QUICK")),
        help="a small run, whose figures mean little; or QUICK=1",
    )
    parser.add_argument(
        "--database",
        action="append",
        choices=DATABASES,
        help="one of them only; or DATABASES=SQLite",
    )
    asked = parser.parse_args()
    named = os.environ.get("DATABASES", ",".join(DATABASES)).split(",")
    return Arguments(asked.quick, asked.database or [name for name in DATABASES if name in named])
