"""What is held up is told by the doctor and by the health check, from the same look; what is on its way is not."""

import pytest

from bridge.checkup.backlog import check_backlog, remark
from bridge.core.clock import FrozenClock
from bridge.core.ids import TenantId
from bridge.core.start import CannotStart, Reason
from bridge.delivery.inbox import Inbox
from bridge.storage.closed import ClosedDatabase
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer

MINUTE = 60 * 1000


async def keep(database: Database, inbox: Inbox, name: str, *, parked: bool = False) -> None:
    async with database.transaction() as tx:
        await inbox.add(
            tx, item_id=name, tenant_id=TenantId("festipin"), lane=name, topic="topic", body=b"body"
        )
        if parked:
            await inbox.park(tx, name, until="a key")


async def bury(database: Database, inbox: Inbox, name: str) -> None:
    item = await inbox.head(name)
    assert item is not None
    async with database.transaction() as tx:
        await inbox.bury(tx, item, failure="why")


async def held_up(database: Database, clock: FrozenClock) -> str:
    """Both tell the same."""
    with pytest.raises(CannotStart) as failed:
        await check_backlog(database, clock)
    assert failed.value.reason is Reason.BACKLOG_HELD_UP
    assert await remark(database, clock) == f"{failed.value.what}. {failed.value.fix}"
    return failed.value.what


async def test_what_waits_too_long_and_what_is_dead_is_told(database: Database) -> None:
    clock = FrozenClock()
    inbox = Inbox(database, Sealer(bytes(32), clock), clock)
    assert (await check_backlog(database, clock), await remark(database, clock)) == ("nothing waits", None)
    await keep(database, inbox, "parked", parked=True)
    clock.advance(MINUTE)
    await keep(database, inbox, "one")
    await keep(database, inbox, "two")
    clock.advance(5 * MINUTE)
    assert await check_backlog(database, clock) == "1 parked (oldest 6 min), 2 waiting (oldest 5 min)"
    assert await remark(database, clock) is None, "the parked one may wait for its key"
    clock.advance(1)
    assert await held_up(database, clock) == "1 parked (oldest 6 min), 2 waiting (oldest 5 min)"
    await bury(database, inbox, "one")
    async with database.transaction() as tx:
        item = await inbox.head("two")
        assert item is not None
        await inbox.finish(tx, item)
    assert await held_up(database, clock) == "1 dead (oldest 5 min), 1 parked (oldest 6 min)"


async def test_what_cannot_be_read_is_not_called_well() -> None:
    assert await remark(ClosedDatabase(), FrozenClock()) == "not known while the database cannot be read"
