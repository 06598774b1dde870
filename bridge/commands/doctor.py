"""`festimo doctor`: everything that must be so for the bridge to work, looked at one by one."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import wrap
from typing import Annotated

import typer

from bridge import logs
from bridge.commands.failure import cannot_start
from bridge.config import ConfigError, load
from bridge.core.checkup import Finding, Outcome, examine
from bridge.core.clock import SystemClock

WIDTH = 80
NAME_WIDTH = max(len(name) for name in ("configuration", "one-time keys")) + 2
OUTCOME_WIDTH = max(map(len, Outcome)) + 2
COLOURS = {
    Outcome.OK: "green",
    Outcome.WARNING: "yellow",
    Outcome.FAILED: "red",
    Outcome.SKIPPED: "bright_black",
}


def doctor(
    config: Annotated[
        Path,
        typer.Option("--config", "-c", help="The configuration; see config.example.yaml.", dir_okay=False),
    ] = Path("config.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Check everything: both ways to the homeserver, tokens, keys, database, backlog, and an encrypted round trip.

    Changes nothing that stays. The exit code is that of the first check that failed; see docs/start.md.
    """
    logs.set_up("error")
    findings = asyncio.run(_found(config, tell=not as_json))
    code = next((int(finding.reason) for finding in findings if finding.reason is not None), 0)
    if as_json:
        typer.echo(json.dumps(_document(findings, code), indent=1))
    elif code:
        typer.echo(f"\nNot everything is well (exit code {code}).")
    raise typer.Exit(code)


async def _found(path: Path, *, tell: bool) -> list[Finding]:
    findings = []
    async for finding in _examined(path):
        findings.append(finding)
        if tell:
            _print(finding)
    return findings


async def _examined(path: Path) -> AsyncIterator[Finding]:
    from bridge.doctor import checks_of

    try:
        config = load(path)
    except ConfigError as error:
        reason = cannot_start(error)
        assert reason is not None
        yield Finding("configuration", Outcome.FAILED, reason.what, reason.fix, reason.reason)
        return
    yield Finding("configuration", Outcome.OK, f"{path.name} is complete")
    async with checks_of(config, SystemClock()) as checks:
        async for finding in examine(checks):
            yield finding


def _print(finding: Finding) -> None:
    indent = " " * (NAME_WIDTH + OUTCOME_WIDTH)
    head = f"{finding.name:{NAME_WIDTH}}"
    outcome = typer.style(f"{finding.outcome:{OUTCOME_WIDTH}}", fg=COLOURS[finding.outcome])
    lines = [part for text in finding.what.splitlines() for part in _wrapped(text)]
    typer.echo(head + outcome + lines[0])
    for line in [*lines[1:], *_wrapped(finding.fix)]:
        typer.echo(indent + line)


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH - NAME_WIDTH - OUTCOME_WIDTH, break_long_words=False, break_on_hyphens=False)


def _document(findings: list[Finding], code: int) -> dict[str, object]:
    return {
        "ok": code == 0,
        "exit_code": code,
        "checks": [
            {
                "name": finding.name,
                "outcome": finding.outcome,
                "what": finding.what,
                "fix": finding.fix,
                "reason": None if finding.reason is None else finding.reason.name,
            }
            for finding in findings
        ],
    }
