"""What vodozemac can no longer open, row by row: each is replaced by the means there are, and nothing stops for it."""

import pytest

from appservice.encryption.inbound_sessions import KeyMissing
from appservice.encryption.pickles import WrongPickleKey
from bridge.core.clock import FrozenClock
from bridge.storage.database import Database
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, ROOM, Engine
from tests.appservice.encryption.reader import ANNA, TALK, Reader
from tests.fakes.homeserver import FakeHomeserver


async def damage(engine: Engine, table: str, column: str = "pickle") -> None:
    async with engine.database.transaction() as tx:
        assert await tx.execute(f"UPDATE {table} SET {column} = 'damaged'")


@pytest.fixture
async def engine(database: Database, homeserver: FakeHomeserver, clock: FrozenClock) -> Engine:
    engine = Engine(database, homeserver, clock, backs_up=True)
    homeserver.add_room(ROOM, {BOT: "join"})
    await engine.add_room()
    await engine.step()
    return engine


async def doubted(engine: Engine) -> Engine:
    """As at a start."""
    async with engine.database.transaction() as tx:
        await engine.own_devices.doubt_all(tx)
    return engine.restarted()


# Inbound sessions


async def test_a_message_whose_key_is_damaged_is_read_with_the_key_in_the_backup_at_once(
    engine: Engine,
) -> None:
    reader = await Reader(engine, engine.key_backup.look_for).opened()
    anna = await reader.joined(ANNA)
    await anna.send_room_key(BOT, TALK)
    await reader.synced()
    await engine.step()  # by which it is in the backup
    await damage(engine, "inbound_sessions")
    await reader.deliver(reader.event(anna, "$1", "Hello"))
    assert await reader.due_at() == [engine.clock.now()]
    await reader.look()
    assert (await reader.read(), await reader.told()) == (["Hello"], [])
    assert await engine.rows("missing_keys") == []


async def test_a_damaged_key_that_is_nowhere_else_is_missed_like_any_other_and_may_come_again(
    engine: Engine, join: MakeParty
) -> None:
    alice = await join("alice")
    key = alice.room_key(ROOM)
    await alice.send_room_key(BOT, ROOM, key)
    await engine.step()
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "Hello"))
    await damage(engine, "inbound_sessions")
    async with engine.database.transaction() as tx:
        with pytest.raises(KeyMissing) as missing:
            await engine.inbound.decrypt(tx, event)
    assert missing.value.damaged
    assert await engine.rows("inbound_sessions") == []
    with pytest.raises(KeyMissing) as missing:
        await engine.read(event)
    assert not missing.value.damaged
    await alice.send_room_key(BOT, ROOM, key)
    await engine.step()
    assert (await engine.read(event)).content["body"] == "Hello"


async def test_a_key_that_comes_again_takes_the_place_of_a_damaged_one(
    engine: Engine, join: MakeParty
) -> None:
    alice = await join("alice")
    key = alice.room_key(ROOM)
    await alice.send_room_key(BOT, ROOM, key)
    await engine.step()
    await damage(engine, "inbound_sessions")
    await alice.send_room_key(BOT, ROOM, key)
    await engine.step()
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "Hello"))
    assert (await engine.read(event)).content["body"] == "Hello"


async def test_damaged_keys_do_not_keep_others_from_the_backup(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice, ben = await join("alice"), await join("ben")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    async with engine.database.transaction() as tx:
        await tx.execute("UPDATE inbound_sessions SET pickle = 'damaged', backed_up = 0")
    key = ben.room_key(ROOM)
    await ben.send_room_key(BOT, ROOM, key)
    await engine.step()
    await engine.step()
    assert (ROOM, key["session_id"]) in homeserver.users[BOT].backups[-1].keys
    assert {row["session_id"] for row in await engine.rows("inbound_sessions")} == {key["session_id"]}


# Olm and outbound sessions


async def test_a_damaged_olm_session_is_forgotten_and_another_one_begun(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.say("before")
    await alice.sync()
    await damage(engine, "olm_sessions")
    await alice.send_room_key(BOT, ROOM)  # over the session that is damaged
    await engine.step()
    await engine.unwedging.step()
    [session] = await engine.rows("olm_sessions")
    assert session["pickle"] != "damaged"
    assert [payload["type"] for payload in await alice.sync()] == ["m.dummy"]


async def test_after_damage_to_an_outbound_session_another_one_is_made(
    engine: Engine, join: MakeParty
) -> None:
    alice = await join("alice")
    before = await engine.say("before")
    await damage(engine, "outbound_sessions")
    after = await engine.say("after")
    await alice.sync()
    assert [alice.read(event)["content"]["body"] for event in (before, after)] == ["before", "after"]
    assert before["content"]["session_id"] != after["content"]["session_id"]


# Accounts of our own


@pytest.mark.parametrize("speaker", [BOT, GHOST])
async def test_a_damaged_device_is_replaced_at_start(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty, speaker: str
) -> None:
    alice = await join("alice")
    homeserver.set_membership(ROOM, speaker, "join")
    before = await engine.say("before", sender=speaker)
    await alice.sync()
    async with engine.database.transaction() as tx:
        await tx.execute("UPDATE own_devices SET account = 'damaged' WHERE user_id = $1", speaker)
    engine = await doubted(engine)
    assert await engine.own_devices.is_published(BOT), "the pickle key is the right one: other rows open"
    await engine.step()
    after = await engine.say("after", sender=speaker)
    await alice.sync()
    assert alice.read(after)["content"]["body"] == "after"
    assert after["content"]["device_id"] != before["content"]["device_id"]


async def test_a_device_that_is_damaged_while_it_syncs_is_replaced_and_nothing_refused_is_acknowledged(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.say("hello")
    await alice.send_room_key(BOT, ROOM)
    [position] = await engine.rows("sync_positions")
    await damage(engine, "own_devices", "account")
    with pytest.raises(Exception, match="damaged"):
        await engine.step()
    assert await engine.rows("sync_positions") == [position]
    await engine.step()
    alice.sessions.clear()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "Hello"))
    assert (await engine.read(event)).content["body"] == "Hello"


async def test_where_nothing_opens_the_pickle_key_is_wrong_and_nothing_is_changed(
    engine: Engine, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.say("hello")
    for table in ("inbound_sessions", "outbound_sessions", "olm_sessions"):
        await damage(engine, table)
    await damage(engine, "own_devices", "account")
    kept = await engine.rows("own_devices")
    with pytest.raises(WrongPickleKey):
        await (await doubted(engine)).own_devices.is_published(BOT)
    assert [row["account"] for row in await engine.rows("own_devices")] == [row["account"] for row in kept]


async def test_who_has_no_device_in_the_database_is_asked_for_at_start(
    engine: Engine, join: MakeParty
) -> None:
    """Else what is said next would be encrypted for nobody."""
    alice = await join("alice")
    await engine.say("before")
    await alice.sync()
    async with engine.database.transaction() as tx:
        await tx.execute("DELETE FROM devices")
        await engine.device_lists.mark_unknown_stale(tx)
    await engine.retire()
    after = await engine.restarted().say("after")
    await alice.sync()
    assert alice.read(after)["content"]["body"] == "after"
