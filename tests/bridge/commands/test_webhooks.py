"""`festimo webhooks`, on a database that nobody else uses at the time."""

import asyncio
from pathlib import Path

import pytest
import yaml

from bridge.config import Config, load
from bridge.core.clock import SystemClock
from bridge.storage.database import open_database
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.model import Attempt, EndpointId
from bridge.wiring import webhooks
from tests.bridge.commands.conftest import Festimo

URL = "http://127.0.0.1:9/hook"


@pytest.fixture
def config(config: Path) -> Path:
    settings = yaml.safe_load(config.read_text())
    settings["webhooks"] = {"allow_http": True, "allowed_networks": ["127.0.0.0/8"]}
    config.write_text(yaml.safe_dump(settings))
    return config


def made(festimo: Festimo, config: Path, *more: str) -> tuple[str, str]:
    ended = festimo("webhooks", "create", "--tenant", "festipin", "--url", URL, *more, "-c", config)
    assert (ended.code, "not shown again" in ended.err) == (0, True)
    webhook_id, secret = ended.out.split()
    return webhook_id, secret


def given_up(path: Path, webhook_id: str, event_id: str) -> None:
    async def work(config: Config) -> None:
        database = await open_database(config.database.url.get_secret_value())
        async with database.transaction() as tx:
            one = await webhooks(config, SystemClock()).delivery(tx, None, EndpointId(webhook_id), event_id)
            attempt = Attempt(at=1, status=500, failure=None, took=3)
            await DeliveryStore().finish(tx, one, attempt, dead=True, now=2)
        await database.close()

    asyncio.run(work(load(path)))


def test_one_is_made_listed_changed_disabled_rotated_and_deleted(festimo: Festimo, config: Path) -> None:
    webhook_id, secret = made(festimo, config, "--event", "message.*", "--description", "CRM")
    listed = festimo("webhooks", "list", "-c", config)
    assert listed.out == f"{webhook_id}  festipin  enabled  message.*  {URL}  CRM\n"
    assert festimo("webhooks", "change", webhook_id, "--url", f"{URL}/2", "-c", config).code == 0
    assert festimo("webhooks", "disable", webhook_id, "-c", config).code == 0
    listed = festimo("webhooks", "list", "--tenant", "festipin", "-c", config)
    assert listed.out == f"{webhook_id}  festipin  disabled (by_request)  all  {URL}/2  CRM\n"
    assert festimo("webhooks", "enable", webhook_id, "-c", config).code == 0
    rotated = festimo("webhooks", "rotate", webhook_id, "-c", config)
    assert rotated.out.split()[0] == webhook_id
    assert rotated.out.split()[1] != secret
    assert festimo("webhooks", "delete", webhook_id, "-c", config).code == 0
    assert festimo("webhooks", "list", "-c", config).out == ""


def test_what_was_given_up_is_shown_and_replayed(festimo: Festimo, config: Path) -> None:
    webhook_id, _ = made(festimo, config)
    event_id = festimo("webhooks", "test", webhook_id, "-c", config).out.split()[0]
    waiting = festimo("webhooks", "replay", webhook_id, event_id, "-c", config)
    assert (waiting.code, "waits" in waiting.err) == (1, True)
    given_up(config, webhook_id, event_id)
    shown = festimo("webhooks", "deliveries", webhook_id, "--state", "dead", "-c", config)
    assert shown.out.startswith(event_id)
    assert "webhook.test  -  dead  1x  status 500" in shown.out
    assert "1 delivery." in shown.err
    again = festimo("webhooks", "replay", webhook_id, "--all", "-c", config)
    assert again.out == "1 will be sent again.\n"
    assert festimo("webhooks", "deliveries", webhook_id, "--state", "dead", "-c", config).out == ""
    given_up(config, webhook_id, event_id)
    one = festimo("webhooks", "replay", webhook_id, event_id, "-c", config)
    assert one.out == f"{event_id} will be sent again.\n"


def test_what_cannot_be_is_refused(festimo: Festimo, config: Path) -> None:
    webhook_id, _ = made(festimo, config)
    before = festimo("webhooks", "list", "-c", config).out
    create = ("webhooks", "create", "--tenant", "festipin", "--url")
    for arguments, code, told in (
        ((*create, "https://10.0.0.1/"), 1, "not public"),
        ((*create, "ftp://127.0.0.1/"), 1, "https://"),
        ((*create, URL, "--event", "message.send"), 1, "message.sent"),
        (("webhooks", "create", "--tenant", "nobody", "--url", URL), 2, "no tenant"),
        (("webhooks", "change", webhook_id, "--url", "https://10.0.0.1/"), 1, "not public"),
        (("webhooks", "delete", "unknown"), 1, "no webhook with this id"),
        (("webhooks", "deliveries", webhook_id, "--state", "lost"), 2, "dead"),
        (("webhooks", "replay", webhook_id), 2, "--all"),
    ):
        ended = festimo(*arguments, "-c", config)
        assert ended.code == code, (arguments, ended)
        assert told in ended.err, (arguments, ended)
    assert festimo("webhooks", "list", "-c", config).out == before
