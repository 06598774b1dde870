"""What the homeserver delivers is durable before it hears 200, and counts once however often it comes."""

import asyncio
import json

from pytest_aiohttp.plugin import AiohttpClient

from bridge.storage.database import Database, DatabaseUnavailable
from tests.appservice.delivering import NAMES, ROOM, TENANT, Delivering, delivering, event, member
from tests.fakes.database import WrappedDatabase


class Held(WrappedDatabase):
    """Commits when it is told to."""

    def __init__(self, real: Database) -> None:
        super().__init__(real)
        self.reached, self.release = asyncio.Event(), asyncio.Event()

    async def before_commit(self) -> None:
        self.reached.set()
        await self.release.wait()


class Full(WrappedDatabase):
    """Fails at the commit, as often as `times` says."""

    times = 1

    async def before_commit(self) -> None:
        if self.times:
            self.times -= 1
            raise DatabaseUnavailable("no space left")


async def test_what_is_acknowledged_is_stored(homeserver: Delivering) -> None:
    await homeserver.know_room()
    assert await homeserver.deliver(event("$1"), event("$2", room_id="!elsewhere:x")) == 200
    first, second = await homeserver.rows()
    assert (first["id"], first["lane"], first["tenant_id"]) == ("matrix:$1", f"room:{ROOM}", TENANT)
    assert (second["id"], second["lane"], second["tenant_id"]) == ("matrix:$2", "room:!elsewhere:x", "")


async def test_nothing_is_acknowledged_before_the_commit(
    aiohttp_client: AiohttpClient, database: Database
) -> None:
    held = Held(database)
    async with delivering(aiohttp_client, database, through=lambda _: held) as homeserver:
        answer = asyncio.create_task(homeserver.deliver(event()))
        await held.reached.wait()
        assert not answer.done()
        assert await homeserver.rows() == []
        held.release.set()
        assert await answer == 200
        assert await homeserver.waiting() == ["matrix:$1"]


async def test_what_cannot_be_stored_is_answered_503_and_taken_when_it_comes_again(
    aiohttp_client: AiohttpClient, database: Database
) -> None:
    async with delivering(aiohttp_client, database, through=Full) as homeserver:
        await homeserver.know_room()
        events = [event("$1"), member("$2"), "no event"]
        assert await homeserver.deliver(*events) == 503
        assert await homeserver.rows() == []
        assert await database.fetch_value("SELECT members_stale FROM rooms") == 0
        assert await homeserver.deliver(*events) == 200
        assert await homeserver.waiting() == ["matrix:$1", "matrix:$2"]
        assert await database.fetch_value("SELECT members_stale FROM rooms") == 1


async def test_a_closed_database_is_answered_503(homeserver: Delivering, database: Database) -> None:
    await database.close()
    assert await homeserver.deliver(event()) == 503


async def test_the_same_transaction_again_changes_nothing(homeserver: Delivering) -> None:
    await homeserver.know_room()
    events = [event("$1"), member("$2"), "no event"]
    await homeserver.deliver(*events)
    before = [dict(row) for row in await homeserver.rows()]  # type: ignore[call-overload]
    for _ in range(3):
        assert await homeserver.deliver(*events) == 200
    assert [dict(row) for row in await homeserver.rows()] == before  # type: ignore[call-overload]


async def test_new_events_under_a_used_transaction_id_are_taken(homeserver: Delivering) -> None:
    """Synapse on SQLite counts from the start after each restart."""
    assert await homeserver.deliver(event("$1"), txn_id="1") == 200
    assert await homeserver.deliver(event("$2"), txn_id="1") == 200
    assert await homeserver.deliver(event("$2"), event("$3"), txn_id="1") == 200
    assert await homeserver.waiting() == ["matrix:$1", "matrix:$2", "matrix:$3"]


async def test_an_event_that_comes_in_two_transactions_is_one(homeserver: Delivering) -> None:
    await homeserver.deliver(event("$1", unsigned={"age": 5}), txn_id="1")
    await homeserver.deliver(event("$1", unsigned={"age": 99}), txn_id="2")
    assert await homeserver.waiting() == ["matrix:$1"]


async def test_an_event_twice_in_one_transaction_is_one(homeserver: Delivering) -> None:
    assert await homeserver.deliver(event("$1"), event("$1")) == 200
    assert await homeserver.waiting() == ["matrix:$1"]


async def test_the_same_events_on_two_connections_at_once_are_taken_once(homeserver: Delivering) -> None:
    events = [event(f"${number}") for number in range(10)]
    statuses = await asyncio.gather(*(homeserver.deliver(*events) for _ in range(5)))
    assert set(statuses) == {200}
    assert sorted(await homeserver.waiting()) == sorted(f"matrix:${number}" for number in range(10))


async def test_a_membership_event_makes_members_stale_in_the_same_commit(homeserver: Delivering) -> None:
    await homeserver.know_room()
    await homeserver.know_room("!other:example.org")
    await homeserver.deliver(member())
    select = "SELECT room_id, members_stale, members_version FROM rooms ORDER BY room_id"
    rows = await homeserver.database.fetch(select)
    marked = [(row["room_id"], row["members_stale"], row["members_version"]) for row in rows]
    assert marked == [("!other:example.org", 0, 0), (ROOM, 1, 1)]


async def test_no_other_event_makes_members_stale(homeserver: Delivering) -> None:
    await homeserver.know_room()
    await homeserver.deliver(event("$1"), event("$2", type="m.room.name", state_key=""))
    assert await homeserver.database.fetch_value("SELECT members_stale FROM rooms") == 0


async def test_our_own_encrypted_messages_are_not_kept_and_all_others_are(homeserver: Delivering) -> None:
    ghost = NAMES.ghost(TENANT, "anna")  # type: ignore[arg-type]
    await homeserver.deliver(
        event("$bot", sender=NAMES.bot),
        event("$ghost", sender=ghost),
        event("$state", sender=NAMES.bot, type="m.room.name", state_key=""),
        event("$stranger", sender="@festimo_bot:elsewhere.org"),
        event("$anna"),
    )
    assert await homeserver.waiting() == ["matrix:$state", "matrix:$stranger", "matrix:$anna"]


async def test_a_transaction_with_more_than_events_is_taken(homeserver: Delivering) -> None:
    body = {"events": [event()], "ephemeral": [{"type": "m.typing"}], "de.sorunome.msc2409.to_device": 7}
    assert await homeserver.put(json.dumps(body).encode()) == 200
    assert await homeserver.waiting() == ["matrix:$1"]


async def test_an_empty_transaction_is_taken(homeserver: Delivering) -> None:
    assert await homeserver.deliver() == 200
    assert await homeserver.rows() == []
