"""`festimo doctor` on a real Synapse: all is well, and each thing that can be wrong is told with its exit code."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from appservice.embedded.settings import LOOPBACK
from appservice.embedded.synapse import Synapse, free_port
from appservice.own_account import OwnAccount
from bridge.core.checkup import Outcome
from bridge.core.start import Reason
from bridge.demo.stand import Stand, stand
from tests.bridge.commands.process import ROOT, ended, festimo
from tests.e2e.doctor import bot_of, doctor, homeserver_of
from tests.e2e.first_hour import NEW, Changes, changed, database_that_was_used
from tests.e2e.test_first_path import party, person

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = (
    *("configuration", "database", "master key", "pickle key", "bridge", "homeserver", "as_token", "clock"),
    *("way back", "identity", "device", "one-time keys", "key backup", "backlog", "bus", "round trip"),
)
WIDTH = 80
HALF_AN_HOUR = timedelta(minutes=30)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """A homeserver with the bridge's registration; the bridge has run there, and said something."""
    async with stand(tmp_path_factory.mktemp("doctor")) as ready:
        async with festimo(ready.config_path.parent, "run", "-c", ready.config_path) as bridge:
            await bridge.until_ready(ready.config)
            people = {"party": party(person("anna", "Anna")), "vendor": person("chef", "Sweet Bites")}
            await ready.platform.send("vendor.selected", people)
            await said(ready)
            await bridge.stop()
        yield ready


async def said(ready: Stand) -> None:
    """The bot has said something, and nothing waits any more."""
    path = ready.config.database.url.get_secret_value().removeprefix("sqlite:///")
    async with asyncio.timeout(30):
        while True:
            with sqlite3.connect(path) as database:
                (messages,) = database.execute(
                    "SELECT COUNT(*) FROM messages WHERE status = 'sent'"
                ).fetchone()
                (left,) = database.execute("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").fetchone()
            database.close()
            if messages and not left:
                return
            await asyncio.sleep(0.05)


def copy(ground: Stand, folder: Path, changes: Changes | None = None) -> Path:
    """A configuration like the bridge's, with a copy of its database."""
    database_that_was_used(ground, folder)
    return changed(ground, folder, changes or {})


async def test_all_is_well_whether_the_bridge_runs_or_not_and_nothing_is_left_behind(
    ground: Stand, tmp_path: Path
) -> None:
    config = ground.config_path
    bot = OwnAccount(homeserver_of(ground), bot_of(ground))
    ghost = OwnAccount(
        homeserver_of(ground),
        f"@{ground.config.appservice.ghost_prefix}doctor:{ground.config.homeserver.server_name}",
    )
    rooms, devices = await bot.joined_rooms(), await bot.devices()
    told = await doctor(config)
    assert (told.printed.code, told.not_ok, tuple(told.outcomes)) == (0, {}, NAMES)
    assert "does not run" in told.whats["bridge"]
    async with festimo(tmp_path, "run", "-c", config) as bridge:
        await bridge.until_ready(ground.config)
        told = await doctor(config)
        assert (told.printed.code, told.not_ok, tuple(told.outcomes)) == (0, {}, NAMES)
        assert told.whats["bridge"] == "runs, and is ready"
        stopped = await bridge.stop()
    assert [fact for fact in stopped.logged if fact["level"] != "info"] == []
    assert (await bot.joined_rooms(), await bot.devices()) == (rooms, devices)
    assert (await ghost.joined_rooms(), await ghost.devices()) == ([], {})


def names_in(lines: list[str]) -> tuple[str, ...]:
    return tuple(line.split("  ")[0] for line in lines if line[:1].isalpha() and "  " in line)


def shown_on_the_page() -> list[str]:
    page = (ROOT / "docs" / "start.md").read_text()
    return page.split("$ festimo doctor\n")[1].split("```")[0].splitlines()


async def test_people_get_a_line_per_check_and_the_fix(ground: Stand, tmp_path: Path) -> None:
    config = copy(ground, tmp_path, {"appservice.as_token": NEW["appservice"]["as_token"]})
    printed = await ended(tmp_path, "doctor", "-c", config)
    assert (printed.code, printed.err) == (Reason.AS_TOKEN_WRONG, "")
    lines = printed.out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert names_in(lines) == names_in(shown_on_the_page()) == NAMES
    assert any(line.startswith("as_token       failed   The homeserver knows this bridge") for line in lines)
    assert any(line.startswith("way back       skipped  needs: as_token") for line in lines)
    assert lines[-1] == f"Not everything is well (exit code {Reason.AS_TOKEN_WRONG})."


DATABASE = {"database", "master key", "pickle key", "device", "one-time keys", "key backup", "backlog"}
TOKEN = {"as_token", "clock", "way back", "identity", "device", "one-time keys", "key backup"}

FAILURES: list[Any] = [
    # changes, exit code, the check that fails, those that cannot be told without it
    ({"appservice.as_token": NEW["appservice"]["as_token"]}, Reason.AS_TOKEN_WRONG, "as_token", TOKEN),
    ({"appservice.hs_token": NEW["appservice"]["hs_token"]}, Reason.HS_TOKEN_WRONG, "way back", set()),
    (
        {"homeserver.url": f"http://{LOOPBACK}:{free_port()}"},
        Reason.HOMESERVER_UNREACHABLE,
        "homeserver",
        TOKEN,
    ),
    (
        {"appservice.listen": f"{LOOPBACK}:{free_port()}"},
        Reason.BRIDGE_UNREACHABLE,
        "way back",
        set(),
    ),
    ({"homeserver.server_name": "example.org"}, Reason.SERVER_NAME_WRONG, "as_token", TOKEN),
    ({"appservice.id": "another"}, Reason.REGISTRATION_OLD, "way back", set()),
    (
        {"appservice.listen": "192.0.2.1:29400", "web.behind_proxy": True},
        Reason.PORT_TAKEN,
        "bridge",
        TOKEN,
    ),
    ({"database.url": "sqlite:////sys/no/festimo.db"}, Reason.DATABASE_UNUSABLE, "database", DATABASE),
    (
        {"database.url": f"postgresql://u:{NEW['appservice']['hs_token']}@{LOOPBACK}:{free_port()}/x"},
        Reason.DATABASE_UNUSABLE,
        "database",
        DATABASE,
    ),
    ({"storage.master_key": NEW["storage"]["master_key"]}, Reason.MASTER_KEY_CHANGED, "master key", set()),
    (
        {"encryption.pickle_key": NEW["encryption"]["pickle_key"]},
        Reason.PICKLE_KEY_CHANGED,
        "pickle key",
        {"device", "one-time keys", "key backup"},
    ),
    (
        {"encryption.identity_secret": NEW["encryption"]["identity_secret"]},
        Reason.IDENTITY_CHANGED,
        "identity",
        {"device", "one-time keys", "key backup"},
    ),
    (
        {"bus.servers": [f"nats://u:{NEW['appservice']['hs_token']}@{LOOPBACK}:{free_port()}"]},
        Reason.BUS_UNREACHABLE,
        "bus",
        set(),
    ),
    # outside of the registration's namespace: there is nobody to read
    ({"appservice.ghost_prefix": "somebody_"}, Reason.ROUND_TRIP_FAILED, "round trip", set()),
]


@pytest.mark.parametrize(
    ("changes", "reason", "failed", "untold"),
    FAILURES,
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_each_failure_has_its_check_and_its_exit_code(
    ground: Stand, tmp_path: Path, changes: Changes, reason: Reason, failed: str, untold: set[str]
) -> None:
    told = await doctor(copy(ground, tmp_path, changes))
    assert told.printed.code == reason
    assert told.outcomes[failed] == Outcome.FAILED
    assert [name for name, outcome in told.outcomes.items() if outcome == Outcome.FAILED] == [failed]
    skipped = {name for name, outcome in told.outcomes.items() if outcome == Outcome.SKIPPED}
    expected = untold - {failed} | ({"round trip"} if "device" in untold else set())
    assert skipped == expected
    assert NEW["appservice"]["hs_token"] not in told.printed.out  # the database's password in one case


async def test_a_homeserver_without_the_registration_is_told(
    ground: Stand, synapse: Synapse, tmp_path: Path
) -> None:
    told = await doctor(copy(ground, tmp_path, {"homeserver.url": synapse.url}))
    assert (told.printed.code, told.outcomes["as_token"]) == (Reason.NOT_REGISTERED, Outcome.FAILED)


async def test_a_configuration_with_mistakes_is_told_first(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"homeserver": {}}))
    told = await doctor(path)
    assert (told.printed.code, told.outcomes) == (Reason.CONFIG_INVALID, {"configuration": Outcome.FAILED})


async def test_a_stranger_at_our_port_is_told(ground: Stand, tmp_path: Path) -> None:
    async with TestServer(web.Application(), host=LOOPBACK) as other:
        told = await doctor(copy(ground, tmp_path, {"appservice.listen": f"{LOOPBACK}:{other.port}"}))
    assert (told.printed.code, told.outcomes["bridge"]) == (Reason.PORT_TAKEN, Outcome.FAILED)


async def test_clocks_that_differ_are_told(ground: Stand, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        date = format_datetime(datetime.now(UTC) + HALF_AN_HOUR, usegmt=True)
        sender = f"@sender:{ground.config.homeserver.server_name}"
        return web.json_response({"user_id": sender}, headers={"Date": date})

    app = web.Application()
    app.router.add_get("/{anything:.*}", answer)
    async with TestServer(app, host=LOOPBACK) as homeserver:
        url = f"http://{LOOPBACK}:{homeserver.port}"
        told = await doctor(copy(ground, tmp_path, {"homeserver.url": url}))
    assert (told.printed.code, told.outcomes["clock"]) == (Reason.CLOCK_OFF, Outcome.FAILED)


async def test_before_the_first_run_what_is_not_there_yet_is_no_failure(tmp_path: Path) -> None:
    async with stand(tmp_path) as fresh:
        told = await doctor(fresh.config_path)
    assert told.printed.code == 0
    warnings = [name for name, outcome in told.outcomes.items() if outcome == Outcome.WARNING]
    assert warnings == ["database", "identity"]
    assert not (tmp_path / "bridge.db").exists(), "looking makes nothing"


def change(folder: Path, sql: str) -> None:
    with sqlite3.connect(folder / "bridge.db") as database:
        assert database.execute(sql).rowcount
    database.close()


@pytest.mark.parametrize(
    ("sql", "code", "outcome"),
    [
        ("INSERT INTO schema_migrations VALUES (9999, 'of tomorrow', 0)", Reason.DATABASE_TOO_NEW, "failed"),
        ("DELETE FROM schema_migrations WHERE version > 4", 0, "warning"),
    ],
)
async def test_a_database_of_another_release_is_told_and_left_as_it_is(
    ground: Stand, tmp_path: Path, sql: str, code: int, outcome: str
) -> None:
    config = copy(ground, tmp_path)
    change(tmp_path, sql)
    told = await doctor(config)
    assert (told.printed.code, told.outcomes["database"]) == (code, outcome)
    assert told.outcomes["device"] == Outcome.SKIPPED


@pytest.mark.parametrize(
    ("sql", "code", "what"),
    [
        ("UPDATE inbox SET state = 'dead' WHERE seq = 1", Reason.BACKLOG_HELD_UP, "1 dead"),
        (
            "UPDATE inbox SET state = 'waiting', created_at = 0 WHERE seq = 1",
            Reason.BACKLOG_HELD_UP,
            "1 waiting",
        ),
        ("UPDATE inbox SET state = 'parked' WHERE seq = 1", 0, "1 parked"),
    ],
)
async def test_what_is_held_up_is_told(ground: Stand, tmp_path: Path, sql: str, code: int, what: str) -> None:
    config = copy(ground, tmp_path)
    change(tmp_path, sql)
    told = await doctor(config)
    assert told.printed.code == code
    assert told.not_ok == ({"backlog": Outcome.FAILED} if code else {})
    assert told.whats["backlog"].startswith(what)
