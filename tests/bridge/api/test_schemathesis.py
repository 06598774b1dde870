"""Schemathesis reads the document and tries the whole API on it: examples, boundaries, random requests, sequences."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bridge.platform.rest import OPERATIONS
from bridge.web.server import serve
from tests.bridge.api.world import OURS, World
from tests.databases import both_databases

ROOT = Path(__file__).parents[3]
EXAMPLES = os.environ.get("EXAMPLES", "10")
PHASES = {"sqlite": ("coverage", "fuzzing", "stateful"), "postgres": ("fuzzing", "stateful")}
FEW = "3"
"""Examples on PostgreSQL: what it answers to nonsense is decided above the SQL."""
REACHED = {
    "sqlite": ("conversations", "messages", "platform_events"),
    "postgres": ("conversations", "conversation_members"),
}
"""Tables: a run that never gets past a refusal would prove nothing."""
SEED = os.environ.get("SEED", "1")


@pytest.mark.timeout(900)
@both_databases
async def test_the_api_keeps_what_its_document_says(world: World, database_kind: str, tmp_path: Path) -> None:
    """EXAMPLES and SEED (in the environment) make it look further, or elsewhere."""
    phases = PHASES[database_kind]
    key = await world.keys.create(OURS, name="schemathesis")
    server = await serve(world.app(), host="127.0.0.1", port=0)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"http://127.0.0.1:{server.port}/api/v1/openapi.json",
            *("--checks", "all", "--phases", ",".join(phases), "--seed", SEED, "--no-color"),
            *("--max-examples", EXAMPLES if database_kind == "sqlite" else FEW),
            # What is deleted stays, as deleted: that it was said is no secret.
            *("--exclude-checks", "use_after_free"),
            cwd=tmp_path,
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "SCHEMATHESIS_HOOKS": "tests.bridge.api.fuzzing",
                "FESTIMO_KEY": str(key),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        report = output.decode()
        assert process.returncode == 0, report
        assert f"Selected: {len(OPERATIONS)}/{len(OPERATIONS)}" in report
        for phase in phases:
            assert f"✅ {phase.capitalize()}" in report
        made = {table: len(rows) for table, rows in (await world.contents()).items()}
        assert all(made[table] for table in REACHED[database_kind]), made
    finally:
        await server.stop()
