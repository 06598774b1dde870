"""What reaches stderr: a JSON object a line, whoever wrote it, and no words of an exception."""

import json
import subprocess
import sys
from typing import Any

from tests.bridge.commands.process import ROOT

CANARY = "what somebody said"
SCRIPT = f"""
import asyncio, gc, logging, warnings
import structlog
from bridge import logs

logs.set_up("debug")
own, library = structlog.get_logger(), logging.getLogger("library")
own.debug("own", id=1)
library.info("not told")
library.warning("from a library: %s", 2)
try:
    raise ValueError({CANARY!r})
except ValueError:
    own.exception("own_failed")
    library.exception("library failed")
warnings.warn("old")

async def fail():
    raise ValueError({CANARY!r})

async def main():
    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    gc.collect()

asyncio.run(main())
"""


def test_every_line_is_a_json_object_without_the_words_of_exceptions() -> None:
    """In a process of its own: it sets up what the whole process has."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=ROOT, timeout=30
    )
    facts: list[dict[str, Any]] = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(fact["level"], fact["event"]) for fact in facts[:4]] == [
        ("debug", "own"),
        ("warning", "from a library: 2"),
        ("error", "own_failed"),
        ("error", "library failed"),
    ]
    assert all(fact["timestamp"] for fact in facts)
    assert [fact["error"] for fact in facts if "error" in fact] == ["ValueError"] * 3
    assert all(fact["where"] for fact in facts if "error" in fact)
    warned, lost = facts[4:]
    assert "UserWarning: old" in warned["event"]
    assert lost["event"] == "Task exception was never retrieved"
    assert CANARY not in ended.stderr
