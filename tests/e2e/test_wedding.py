"""A whole wedding with everything real: Synapse, NATS, people's clients, HTTP, and a bridge that is killed at random.

What all clients show, and what the platform hears by its webhook and by the bus, is what the story has, as over the
simulated homeserver. `FESTIMO_REAL_WEDDINGS=20` has so many, each killed at other moments, every second on PostgreSQL.
"""

import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from vodozemac import MegolmMessage

from tests.e2e.wedding.hall import KILLS, Hall, hall
from tests.servers.postgres import PostgresServer
from tests.simulation.judge import FAULTS
from tests.wedding.stage import CANARY, NAMES, Json

SEEDS = int(os.environ.get("FESTIMO_REAL_WEDDINGS", "1"))


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
async def test_a_real_wedding_ends_as_it_must_however_the_bridge_is_killed(
    seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = _on_postgres(request, seed) if seed % 2 == 0 else None
    async with hall(tmp_path, seed, database_url=url) as stage:
        wedding = await stage.celebrate()
        await wedding.check()
        await _the_bus_tells_what_the_webhook_tells(stage)
        await _no_index_is_used_twice(stage)
        assert await stage.festipin.deliveries("dead") == []
        assert stage.festipin.told.keys() == {"alone", "batch", "bus"}
        assert len(stage.lives.ended) == KILLS
    log = (tmp_path / "stand" / "bridge.log").read_text()
    assert [fault for fault in FAULTS if fault in log] == []
    _nothing_leaks(tmp_path / "stand")


def _on_postgres(request: pytest.FixtureRequest, seed: int) -> str:
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"wedding_{seed}")


async def _the_bus_tells_what_the_webhook_tells(stage: Hall) -> None:
    """Of each conversation and each vendor, in the same order; and no words."""
    by_bus = await stage.festipin.heard_by_bus()
    by_webhook = stage.festipin.heard()
    assert _in_order(by_bus) == _in_order(by_webhook)
    assert CANARY not in json.dumps([by_bus, by_webhook])


def _in_order(heard: list[Json]) -> dict[str, list[tuple[Any, ...]]]:
    found = defaultdict(list)
    for one in heard:
        of = one["data"].get("conversation_id") or one["data"]["vendor_id"]
        found[of].append((int(one["sequence"]), one["id"], one["type"], one["data"]))
    return found


async def _no_index_is_used_twice(stage: Hall) -> None:
    used = Counter[tuple[str, int]]()
    for vendor in NAMES:
        for event in await stage.on_server(vendor):
            if event["type"] != "m.reaction":
                index = MegolmMessage.from_base64(event["content"]["ciphertext"]).message_index()
                used[event["content"]["session_id"], index] += 1
    assert [one for one, times in used.items() if times > 1] == []


def _nothing_leaks(folder: Path) -> None:
    """Into a database or a log, ours or the homeserver's."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
