"""Checks that look at a running or stopped bridge, each on its own: what they find, and in which order they run."""

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from bridge.core.start import CannotStart, Reason


class Outcome(enum.StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should look."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """What it needs has failed, or is not there yet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was found, without secrets; `fix` says what to do about it, `reason` which exit code it has (failed)."""

    name: str
    outcome: Outcome
    what: str
    fix: str = ""
    reason: Reason | None = None


class Suspicious(Exception):
    """Raised by a check: it works, but. `blocks`: what needs this check cannot be told."""

    def __init__(self, what: str, fix: str, *, blocks: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.blocks = blocks


@dataclass(frozen=True, slots=True)
class Check:
    """`look` returns what is well, or raises `Suspicious` or `CannotStart`; `needs` names checks before it."""

    name: str
    look: Callable[[], Awaitable[str]]
    needs: Sequence[str] = ()


async def examine(checks: Sequence[Check]) -> AsyncIterator[Finding]:
    """Run the checks one after the other; whatever needs one that has not passed is skipped."""
    blocked: set[str] = set()
    for check in checks:
        missing = [name for name in check.needs if name in blocked]
        if missing:
            blocked.add(check.name)
            yield Finding(check.name, Outcome.SKIPPED, f"needs: {', '.join(missing)}")
            continue
        try:
            finding = Finding(check.name, Outcome.OK, await check.look())
        except Suspicious as doubt:
            finding = Finding(check.name, Outcome.WARNING, doubt.what, doubt.fix)
            if doubt.blocks:
                blocked.add(check.name)
        except CannotStart as failure:
            finding = Finding(check.name, Outcome.FAILED, failure.what, failure.fix, failure.reason)
            blocked.add(check.name)
        yield finding
