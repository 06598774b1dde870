"""Every mistake of the first hour, made with the bridge as a process on a real Synapse, is told with its fix."""

import asyncio
import os
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
from bridge.commands.failure import cannot_start
from bridge.core.clock import FrozenClock, SystemClock
from bridge.core.start import CannotStart, Reason
from bridge.demo.stand import Stand, stand
from tests.bridge.commands.process import ROOT, ended, festimo
from tests.e2e.first_hour import (
    IMPATIENT,
    NEW,
    Changes,
    assert_told,
    changed,
    database_that_was_used,
    refused,
    written,
)
from tests.e2e.test_first_path import party, person

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEN_MINUTES = timedelta(minutes=10)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """A homeserver with the bridge's registration; the bridge has run there once, and taken an event."""
    folder = tmp_path_factory.mktemp("first-hour")
    async with stand(folder) as ready:
        async with festimo(folder, "run", "-c", ready.config_path) as bridge:
            await bridge.until_ready(ready.config)
            chef = person("chef", "Sweet Bites")
            await ready.platform.send(
                "vendor.selected", {"party": party(person("anna", "Anna")), "vendor": chef}
            )
            stopped = await bridge.stop()
        assert (stopped.code, stopped.out, stopped.told) == (0, "", [])
        yield ready


MISTAKES = [
    pytest.param(
        {"appservice.as_token": NEW["appservice"]["as_token"]},
        Reason.AS_TOKEN_WRONG,
        "The homeserver knows this bridge, but not its `appservice.as_token`.",
        "Copy `as_token` from the registration",
        id="as_token",
    ),
    pytest.param(
        {"appservice.hs_token": NEW["appservice"]["hs_token"]},
        Reason.HS_TOKEN_WRONG,
        "its `hs_token` is not `appservice.hs_token`",
        "Make `hs_token` the same",
        id="hs_token",
    ),
    pytest.param(
        {"homeserver.url": f"http://{LOOPBACK}:{free_port()}"},
        Reason.HOMESERVER_UNREACHABLE,
        "The homeserver does not answer at `homeserver.url`",
        "Check the address, the port, and that the homeserver runs",
        id="homeserver away",
    ),
    # the registration names another port
    pytest.param(
        {"appservice.listen": f"{LOOPBACK}:{free_port()}"},
        Reason.BRIDGE_UNREACHABLE,
        "The homeserver cannot reach this bridge at the `url` of the registration.",
        "Set `appservice.url` to an address that the homeserver can reach",
        id="way back",
    ),
    pytest.param(
        {"homeserver.server_name": "example.org"},
        Reason.SERVER_NAME_WRONG,
        "The homeserver is festimo.localhost, not example.org.",
        "Set `homeserver.server_name: festimo.localhost`",
        id="server name",
    ),
    pytest.param(
        {"appservice.id": "another"},
        Reason.REGISTRATION_OLD,
        "The registration that the homeserver uses does not fit the configuration",
        "Run `festimo registration` again",
        id="appservice id",
    ),
    # outside of the registration's namespace
    pytest.param(
        {"appservice.bot_localpart": "somebody"},
        Reason.REGISTRATION_OLD,
        "does not let the bridge make its bot @somebody:festimo.localhost",
        "Run `festimo registration` again",
        id="bot",
    ),
    # reserved addresses for documentation (RFC 5737): never this machine's
    pytest.param(
        {"appservice.listen": "192.0.2.1:29400", "web.behind_proxy": True},
        Reason.PORT_TAKEN,
        "The bridge cannot listen at `appservice.listen`",
        "Use an address of this very machine",
        id="address of another machine",
    ),
    # nobody may write there, not even root
    pytest.param(
        {"database.url": "sqlite:////sys/festimo.db"},
        Reason.DATABASE_UNUSABLE,
        "/sys/festimo.db: ",
        "Check `database.url`",
        id="folder not writable",
    ),
    pytest.param(
        {"database.url": f"sqlite:///{ROOT / 'README.md' / 'festimo.db'}"},
        Reason.DATABASE_UNUSABLE,
        "Not a directory",
        "Check `database.url`",
        id="folder is a file",
    ),
    pytest.param(
        {
            "database.url": f"postgresql://bridge:{NEW['appservice']['hs_token']}@{LOOPBACK}:{free_port()}/festimo"
        },
        Reason.DATABASE_UNUSABLE,
        "Connection refused",
        "Check `database.url`, that the server runs",
        id="postgresql away",
    ),
]


@pytest.mark.parametrize(("changes", "reason", "what", "fix"), MISTAKES)
async def test_each_mistake_is_told_with_its_fix(
    ground: Stand, tmp_path: Path, changes: Changes, reason: Reason, what: str, fix: str
) -> None:
    config = changed(ground, tmp_path, changes)
    printed = await refused(config)
    assert_told(printed, reason, what=what, fix=fix, config=config)
    assert NEW["appservice"]["hs_token"] not in printed.err  # the database's password in one case


async def test_a_homeserver_without_the_registration_is_told(
    ground: Stand, synapse: Synapse, tmp_path: Path
) -> None:
    config = changed(ground, tmp_path, {"homeserver.url": synapse.url})
    assert_told(
        await refused(config),
        Reason.NOT_REGISTERED,
        what="The homeserver does not know this bridge",
        fix="Name the registration (`festimo registration` prints it) in homeserver.yaml",
        config=config,
    )


async def test_a_port_that_is_taken_is_told(ground: Stand, tmp_path: Path) -> None:
    async with TestServer(web.Application(), host=LOOPBACK) as other:
        config = changed(ground, tmp_path, {"appservice.listen": f"{LOOPBACK}:{other.port}"})
        printed = await refused(config)
    assert_told(
        printed,
        Reason.PORT_TAKEN,
        what="Another program, perhaps another bridge",
        fix="Stop it",
        config=config,
    )


async def test_all_mistakes_of_the_configuration_are_told_at_once(ground: Stand, tmp_path: Path) -> None:
    raw = yaml.safe_load(ground.config_path.read_text())
    raw["homeserver"]["server_nme"] = raw["homeserver"].pop("server_name")
    raw["appservice"]["listen"] = 29400
    raw["appservice"]["as_token"] = "too-short-a-token"
    raw["storage"] = None
    raw["databse"] = raw.pop("database")
    config = written(tmp_path, raw)
    printed = await ended(tmp_path, "run", "-c", config)
    assert (printed.code, printed.out) == (Reason.CONFIG_INVALID, "")
    title, *problems, fix = printed.told
    assert title == f"{config} has 6 problems:"
    assert fix == "Correct what is listed; `festimo check-config` checks again."
    for problem in (
        "  homeserver.server_name: missing. Add it: ",
        "  homeserver.server_nme: unknown key. Did you mean `server_name`?",
        "  appservice.listen: must be text.",
        "  appservice.as_token: is shorter than 32 characters. Make one with `openssl rand -hex 32`.",
        "  storage.master_key: missing. Add it: ",
        "  databse: unknown key. Did you mean `database`?",
    ):
        assert [line for line in problems if line.startswith(problem)], (problem, problems)
    assert "too-short-a-token" not in printed.err
    assert {*os.listdir(tmp_path)} == {"config.yaml", "stdout", "stderr"}


async def test_a_database_of_a_newer_release_is_left_alone(ground: Stand, tmp_path: Path) -> None:
    config, database = changed(ground, tmp_path, {}), database_that_was_used(ground, tmp_path)
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (9999, 'of tomorrow', 0)")
    connection.close()
    assert_told(
        await refused(config),
        Reason.DATABASE_TOO_NEW,
        what="the database is at version 9999",
        fix="Run the newer release, or restore a backup",
        config=config,
    )


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("storage.master_key", Reason.MASTER_KEY_CHANGED),
        ("encryption.pickle_key", Reason.PICKLE_KEY_CHANGED),
    ],
)
async def test_another_key_to_the_database_is_told(
    ground: Stand, tmp_path: Path, key: str, reason: Reason
) -> None:
    database_that_was_used(ground, tmp_path)
    section, _, name = key.partition(".")
    config = changed(ground, tmp_path, {key: NEW[section][name]})
    assert_told(
        await refused(config),
        reason,
        what=f"sealed with another `{key}`",
        fix="Put the former key back",
        config=config,
    )


@pytest.mark.parametrize("database", ["kept", "lost"])
async def test_another_identity_resets_nobody(ground: Stand, tmp_path: Path, database: str) -> None:
    if database == "kept":
        database_that_was_used(ground, tmp_path)
    config = changed(ground, tmp_path, {"encryption.identity_secret": NEW["encryption"]["identity_secret"]})
    before = await published_identity(ground)
    assert_told(
        await refused(config),
        Reason.IDENTITY_CHANGED,
        what="The bot has another identity (cross-signing master key) on the homeserver",
        fix="Put the former `encryption.identity_secret` back",
        config=config,
    )
    assert await published_identity(ground) == before


async def published_identity(ground: Stand) -> dict[str, Any]:
    bot = f"@{ground.config.appservice.bot_localpart}:{ground.config.homeserver.server_name}"
    token = ground.config.appservice.as_token.get_secret_value()
    async with ground.session.post(
        f"{ground.synapse.url}/_matrix/client/v3/keys/query",
        params={"user_id": bot},
        headers={"Authorization": f"Bearer {token}"},
        json={"device_keys": {bot: []}},
    ) as response:
        found: dict[str, Any] = (await response.json())["master_keys"][bot]
    return found


@pytest.mark.parametrize(("ahead", "word"), [(TEN_MINUTES, "behind"), (-TEN_MINUTES, "ahead of")])
async def test_clocks_that_differ_are_told(
    ground: Stand, tmp_path: Path, ahead: timedelta, word: str
) -> None:
    """The process' own clock cannot be moved without moving everybody's; so a homeserver has another one."""

    async def answer(request: web.Request) -> web.Response:
        date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
        sender = f"@sender:{ground.config.homeserver.server_name}"
        return web.json_response({"user_id": sender}, headers={"Date": date})

    app = web.Application()
    app.router.add_get("/{anything:.*}", answer)
    async with TestServer(app, host=LOOPBACK) as homeserver:
        config = changed(ground, tmp_path, {"homeserver.url": f"http://{LOOPBACK}:{homeserver.port}"})
        printed = await refused(config)
    assert_told(
        printed, Reason.CLOCK_OFF, what=f" s {word} the homeserver's.", fix="keep time", config=config
    )


async def test_a_clock_that_is_off_is_found_on_a_real_homeserver(ground: Stand) -> None:
    clock = FrozenClock(SystemClock().now())
    clock.advance(int(TEN_MINUTES.total_seconds() * 1000))
    async with ground.bridge(clock=clock) as bridge:
        await asyncio.wait([bridge.work])
        error = bridge.work.exception()
    assert error is not None
    told = cannot_start(error)
    assert isinstance(told, CannotStart)
    assert told.reason is Reason.CLOCK_OFF


async def test_a_homeserver_that_we_know_is_waited_for(ground: Stand, tmp_path: Path) -> None:
    database_that_was_used(ground, tmp_path)
    config = changed(ground, tmp_path, {})
    await ground.synapse.stop()
    async with festimo(tmp_path, "run", "-c", config, *IMPATIENT) as bridge:
        told = await bridge.until_logged("homeserver_unavailable")
        assert told["level"] == "warning"
        answer = await bridge.until_ready(ground.config, 503)
        assert answer["checks"]["homeserver"] != "ok"
        assert answer["checks"]["database"] == "ok"
        await ground.synapse.start()
        assert (await bridge.until_ready(ground.config))["status"] == "ready"
        stopped = await bridge.stop()
    assert (stopped.code, stopped.out, stopped.told) == (0, "", [])
