"""What a run found: a line for each scenario, a table, faults.json."""

import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.faults.suite.run import NotPlayed, Outcome
from tests.faults.suite.trial import Result

COLUMNS = (
    ("scenario", "scenario"),
    ("database", "database"),
    ("sent", "sent"),
    ("lost", "lost"),
    ("late", "late"),
    ("duplicated", "twice"),
    ("out_of_order", "disordered"),
    ("undecryptable_now", "unreadable at first"),
    ("undecryptable_finally", "at last"),
    ("recovery_seconds", "recovery s"),
    ("calm_seconds", "calm s"),
    ("seed", "seed"),
)
TOLD = ("slowest", "refused_and_said_again")
"""Notes that every scenario has: in its line, not in the table."""

LONGEST_NOTE = 80
"""Characters of an error in the table; its line has all of it."""


def how_it_ended(outcome: Outcome) -> str:
    if isinstance(outcome, NotPlayed):
        return "not played"
    return "ok" if outcome.passed else "FAILED"


def failed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """What was not played has not failed, and has not passed."""
    return [outcome for outcome in outcomes if not outcome.passed and not isinstance(outcome, NotPlayed)]


def line(outcome: Outcome) -> str:
    if isinstance(outcome, NotPlayed):
        return f"      not played: {outcome.why}"
    if not isinstance(outcome, Result):
        return f"      FAILED: {outcome.why}"
    found = outcome.verdict
    parts = [
        f"      {how_it_ended(outcome)}: sent {found.sent}, delivered {found.delivered}",
        f"lost {found.lost}, late {outcome.late}, twice {found.duplicated}, disordered {found.out_of_order}",
        f"unreadable {found.undecryptable_now} at first and {found.undecryptable_finally} at last",
        f"recovery {outcome.recovery_seconds:.1f} s (last: {outcome.notes['slowest']}), all {outcome.seconds:.0f} s",
        *(f"{name.replace('_', ' ')}: {value}" for name, value in outcome.notes.items() if name != "slowest"),
    ]
    return "\n        ".join([", ".join(parts), *found.examples])


def table(outcomes: Iterable[Outcome]) -> str:
    rows = [["", *(title for _, title in COLUMNS), "notes"]]
    for outcome in outcomes:
        raw = outcome.as_json()
        cells = [str(raw.get(key, "-")) for key, _ in COLUMNS]
        rows.append([how_it_ended(outcome), *cells, _notes(outcome)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _notes(outcome: Outcome) -> str:
    """What the fault met, or why it was not."""
    if isinstance(outcome, NotPlayed):
        return outcome.why
    if not isinstance(outcome, Result):
        return outcome.why[:LONGEST_NOTE]
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in outcome.notes.items() if name not in TOLD
    )


def write(path: Path, outcomes: Sequence[Outcome], *, subject: str, quick: bool, seed: int) -> None:
    raw: dict[str, Any] = {
        "subject": subject,
        "quick": quick,
        "seed": seed,
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "passed": not failed(outcomes),
        "not_played": sum(isinstance(outcome, NotPlayed) for outcome in outcomes),
        "sent": sum(outcome.verdict.sent for outcome in outcomes if isinstance(outcome, Result)),
        "scenarios": [outcome.as_json() for outcome in outcomes],
    }
    path.write_text(json.dumps(raw, indent=1) + "\n")
