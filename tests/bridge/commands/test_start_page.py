"""docs/start.md lists the exit codes that there are."""

import re
from pathlib import Path

from bridge.commands.failure import EXIT_FAILED
from bridge.core.start import Reason

PAGE = Path(__file__).parents[3] / "docs" / "start.md"
ROW = re.compile(r"\| (?P<code>\d+) \| (?P<name>[A-Z_]*) ?\| (?P<meaning>[^|]+) \| (?P<fix>[^|]+) \|")
SUCCESS, USAGE = 0, 2


def test_every_exit_code_is_explained_once_in_order() -> None:
    rows = [match for line in PAGE.read_text().splitlines() if (match := ROW.fullmatch(line))]
    without_a_reason = [(code, "") for code in (SUCCESS, EXIT_FAILED, USAGE)]
    assert [(int(row["code"]), row["name"]) for row in rows] == [
        *without_a_reason,
        *((reason.value, reason.name) for reason in sorted(Reason)),
    ]
    assert all(row["meaning"].strip() and row["fix"].strip() for row in rows)
