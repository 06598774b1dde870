"""docs/api.md is a session: its lines are run, its answers are the bridge's."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.storage.database import Database
from bridge.web.server import serve
from tests.bridge.api.client import Api
from tests.bridge.api.requests import event_sent
from tests.bridge.api.world import OURS, SECRETS, World
from tests.databases import both_databases

GUIDE = Path(__file__).parents[3] / "docs/api.md"
MARK = "--- answer ends ---"


def session(guide: Path) -> list[tuple[str, str | None]]:
    """Each line and the answer that follows it."""
    lines: list[tuple[str, str | None]] = []
    for block in re.findall(r"```console\n(.*?)```", guide.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                lines.append((line.removeprefix("$ "), None))
            else:
                lines[-1] = (lines[-1][0], line)
    return lines


def alike(value: Any) -> Any:
    """What differs each time, by another name."""
    text = json.dumps(value)
    text = re.sub(r'"[0-9a-f]{32}"', '"ID"', text)
    text = re.sub(r'"whsec_[^"]+"', '"SECRET"', text)
    text = re.sub(r'"[0-9-]{10}T[0-9:.]+Z"', '"TIME"', text)
    return json.loads(re.sub(r'"(before|after|next_cursor)": "[^"]+"', r'"\1": "CURSOR"', text))


@pytest.mark.skipif(shutil.which("curl") is None, reason="2026-11-21: there is no curl here")
@both_databases
async def test_the_guide_tells_the_truth(database: Database, api: Api, world: World) -> None:
    await event_sent(api, SECRETS[OURS])
    while await world.backfill.step():
        pass
    assert await play(world, api, GUIDE) > 8


async def play(world: World, api: Api, guide: Path, folder: Path | None = None) -> int:
    """Run the page's lines in `folder` and compare the answers. Return how many there are."""
    server = await serve(world.app(), host="127.0.0.1", port=0)
    lines = session(guide)
    script = "\n".join(f"{line}\necho; echo '{MARK}'" for line, _ in lines)
    try:
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-euc",
            script,
            env=os.environ | {"FESTIMO": f"http://127.0.0.1:{server.port}", "KEY": str(api.key)},
            stdout=asyncio.subprocess.PIPE,
            cwd=folder,
        )
        output, _ = await process.communicate()
    finally:
        await server.stop()
    assert process.returncode == 0
    answers = [answer.strip() for answer in output.decode().split(MARK)]
    for (line, expected), answer in zip(lines, answers, strict=False):
        if expected is None:
            assert answer == "", line
        else:
            assert alike(json.loads(answer)) == alike(json.loads(expected)), line
    return len(lines)
