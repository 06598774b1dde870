"""`festimo dead-letters`, on a database that nobody else uses at the time."""

import asyncio
from pathlib import Path

from bridge.config import Config, load
from bridge.core.clock import SystemClock
from bridge.core.ids import TenantId
from bridge.delivery.inbox import Inbox
from bridge.storage.database import open_database
from bridge.storage.sealing import Sealer
from tests.bridge.commands.conftest import Festimo

SAID = "Kanarienvogel"


def kept_dead(path: Path, *, tenants: tuple[str, ...]) -> None:
    """One item of each tenant that nothing could be done with, and one of the first that failed."""

    async def keep(config: Config) -> None:
        database = await open_database(config.database.url.get_secret_value())
        clock = SystemClock()
        inbox = Inbox(database, Sealer(config.storage.master_key.get_secret_value(), clock), clock)
        async with database.transaction() as tx:
            for tenant in tenants:
                await inbox.add_dead(
                    tx,
                    item_id=f"matrix-unparsable:{tenant}",
                    tenant_id=TenantId(tenant),
                    lane="matrix-unparsable",
                    topic="matrix.event",
                    body=SAID.encode(),
                    failure="not an event as the specification describes it",
                )
            await inbox.add(
                tx,
                item_id="platform:1",
                tenant_id=TenantId(tenants[0]),
                lane="party:p",
                topic="platform.event",
                body=SAID.encode(),
            )
        item = await inbox.head("party:p")
        assert item is not None
        async with database.transaction() as tx:
            await inbox.bury(tx, item, failure="conversation_missing: there is none")
        await database.close()

    asyncio.run(keep(load(path)))


def test_all_are_listed_those_of_no_tenant_too(festimo: Festimo, config: Path) -> None:
    kept_dead(config, tenants=("festipin", ""))
    listed = festimo("dead-letters", "list", "-c", config)
    assert (listed.code, len(listed.out.splitlines())) == (0, 3)
    assert "3 dead letters." in listed.err
    assert "conversation_missing" in listed.out
    assert SAID not in listed.out + listed.err
    nobodys = festimo("dead-letters", "list", "--tenant", "", "-c", config)
    assert len(nobodys.out.splitlines()) == 1
    assert (
        len(festimo("dead-letters", "list", "--topic", "platform.event", "-c", config).out.splitlines()) == 1
    )
    assert festimo("dead-letters", "list", "--queue", "outbox", "-c", config).out == ""


def test_one_is_shown_replayed_and_shown_to_wait(festimo: Festimo, config: Path) -> None:
    kept_dead(config, tenants=("festipin",))
    listed = festimo("dead-letters", "list", "--topic", "platform.event", "-c", config)
    letter_id = listed.out.split()[0]
    shown = festimo("dead-letters", "show", letter_id, "-c", config)
    assert "state:        dead" in shown.out
    assert "conversation_missing: there is none" in shown.out
    assert SAID not in shown.out
    for _ in range(2):  # once more changes nothing
        replayed = festimo("dead-letters", "replay", letter_id, "-c", config)
        assert (replayed.code, replayed.err) == (0, "")
        assert "state:        waiting" in festimo("dead-letters", "show", letter_id, "-c", config).out


def test_all_are_replayed_but_for_those_that_cannot_be(festimo: Festimo, config: Path) -> None:
    kept_dead(config, tenants=("festipin", ""))
    replayed = festimo("dead-letters", "replay", "--all", "-c", config)
    assert replayed.code == 1
    assert replayed.out == "1 will be tried again.\n"
    assert replayed.err.count("stays dead: It is no Matrix event") == 2
    assert len(festimo("dead-letters", "list", "-c", config).out.splitlines()) == 2


def test_what_is_asked_for_is_told_apart_from_nothing(festimo: Festimo, config: Path) -> None:
    kept_dead(config, tenants=("festipin",))
    for wrong in (
        ("replay",),
        ("replay", "inbox.YQ", "--all"),
        ("replay", "inbox.YQ", "--queue", "inbox"),
        ("list", "--queue", "elsewhere"),
    ):
        assert festimo("dead-letters", *wrong, "-c", config).code == 2, wrong
    unknown = festimo("dead-letters", "replay", "inbox.YQ", "-c", config)
    assert (unknown.code, unknown.err) == (1, "There is no dead letter with this id.\n")
    assert len(festimo("dead-letters", "list", "-c", config).out.splitlines()) == 2
