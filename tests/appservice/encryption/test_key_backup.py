"""The server-side backup: filled before a key is forgotten, read when one is lost, believed where it is ours."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from unpaddedbase64 import encode_base64
from vodozemac import Curve25519PublicKey, Curve25519SecretKey, PkEncryption

from appservice.encryption.backup_entry import MAC, entry, read_entry
from appservice.encryption.inbound_sessions import KeyMissing, RoomKey
from appservice.encryption.key_backup import ALGORITHM
from appservice.encryption.signing import with_signature
from appservice.encryption.sync import waits_for_key
from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from bridge.core.clock import FrozenClock
from bridge.delivery.inbox import Inbox
from bridge.storage.database import Database
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, IDENTITY, RECOVERY, ROOM, TENANT, Engine
from tests.appservice.encryption.party import Party
from tests.fakes.homeserver import Backup, FakeHomeserver, Json

DOWN = HomeserverUnavailable("no answer")


@pytest.fixture
async def engine(database: Database, homeserver: FakeHomeserver, clock: FrozenClock) -> Engine:
    engine = Engine(database, homeserver, clock, backs_up=True)
    homeserver.add_room(ROOM, {BOT: "join"})
    await engine.add_room()
    await engine.step()
    return engine


def backups(homeserver: FakeHomeserver) -> list[Backup]:
    return homeserver.users[BOT].backups


def saved(homeserver: FakeHomeserver) -> set[str]:
    """Session ids in the present backup."""
    return {session_id for _, session_id in backups(homeserver)[-1].keys} if backups(homeserver) else set()


def failing(homeserver: FakeHomeserver, call: str, error: Exception) -> Callable[[], None]:
    """Have every such call fail, until what is returned is called."""

    def fail(name: str, moment: str) -> None:
        if (name, moment) == (call, "before"):
            raise error

    homeserver.on_moment = fail

    def mend() -> None:
        homeserver.on_moment = lambda name, moment: None

    return mend


async def lose_room_keys(engine: Engine) -> None:
    async with engine.database.transaction() as tx:
        await tx.execute("DELETE FROM inbound_sessions")


async def senders(engine: Engine) -> list[tuple[Any, ...]]:
    names = ("room_id", "session_id", "sender", "sender_key", "signing_key", "first_index")
    return [tuple(row[name] for name in names) for row in await engine.rows("inbound_sessions")]


async def test_a_received_key_is_in_the_backup_before_the_homeserver_may_forget_it(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    session_id = alice.outbound[ROOM].session_id
    assert session_id not in saved(homeserver), "else there is nothing to be seen below"
    found: list[bool] = []

    async def look() -> None:
        found.append(session_id in saved(homeserver))

    homeserver.meanwhile("sync", look, moment="before")
    await engine.restarted().step()
    assert found == [True]


async def test_keys_of_our_own_sessions_are_backed_up_too(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    await join("alice")
    homeserver.set_membership(ROOM, GHOST, "join")
    events = [await engine.say("From the bot."), await engine.say("From a ghost.", sender=GHOST)]
    await engine.step()
    assert {event["content"]["session_id"] for event in events} == saved(homeserver)
    assert all(data["is_verified"] for data in backups(homeserver)[-1].keys.values())


async def test_a_backup_that_fails_holds_the_sync_back_for_a_minute_only(
    engine: Engine, homeserver: FakeHomeserver, clock: FrozenClock, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    mend = failing(homeserver, "put_room_keys", DOWN)
    [device] = homeserver.users[BOT].devices
    with pytest.raises(HomeserverUnavailable):
        await engine.step()
    assert len(homeserver.inbox(BOT, device)) == 1, "not acknowledged"
    clock.advance(60_000)
    await engine.step()
    assert homeserver.inbox(BOT, device) == []
    assert engine.key_backup.trouble() is not None
    mend()
    await engine.step()
    assert saved(homeserver) == set(), "not at once"
    clock.advance(60_000)
    await engine.step()
    assert alice.outbound[ROOM].session_id in saved(homeserver)
    assert engine.key_backup.trouble() is None


async def test_a_homeserver_without_backups_is_used_without(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    failing(homeserver, "backup_version", HomeserverRefused(404, "M_UNRECOGNIZED", ""))
    await engine.step()
    assert engine.key_backup.trouble() is not None
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "hello"))
    assert (await engine.read(event)).content["body"] == "hello"


async def test_lost_room_keys_are_restored_with_what_was_authenticated(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.say("From the bot.")
    await engine.step()
    before = await senders(engine)
    await lose_room_keys(engine)
    assert await engine.restarted().key_backup.restore() == len(before) == 2
    assert await senders(engine) == before
    assert {row["restored"] for row in await engine.rows("inbound_sessions")} == {1}
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "hello"))
    read = await engine.read(event)
    assert (read.content["body"], read.identity_key) == ("hello", alice.identity_key)
    uploads = len(homeserver.calls("put_room_keys"))
    assert await engine.restarted().key_backup.restore() == 0
    await engine.restarted().step()
    assert len(homeserver.calls("put_room_keys")) == uploads, "they are there already"


async def test_a_key_that_a_message_waits_for_is_looked_for_and_wakes_it(
    engine: Engine, homeserver: FakeHomeserver, clock: FrozenClock, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.step()
    session_id = alice.outbound[ROOM].session_id
    await lose_room_keys(engine)
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "hello"))
    with pytest.raises(KeyMissing):
        await engine.read(event)
    inbox: Inbox = engine.inbox
    async with engine.database.transaction() as tx:
        await inbox.add(tx, item_id="$1", tenant_id=TENANT, lane="room", topic="matrix.event", body=b"{}")
        await inbox.park(tx, "$1", until=waits_for_key(session_id))
    assert not await engine.key_backup.look_for(ROOM, "A" * 43)
    assert await inbox.lanes() == []
    assert await engine.key_backup.look_for(ROOM, session_id)
    assert await inbox.lanes() == ["room"]
    assert (await engine.read(event)).content["body"] == "hello"


# What is in a backup and not from us


def forged(room_key: RoomKey, *, mac: str | None) -> Json:
    """An entry as anybody can make it who knows the public key."""
    plaintext = {
        "algorithm": "m.megolm.v1.aes-sha2",
        "forwarding_curve25519_key_chain": [],
        "sender_key": room_key.sender_key,
        "sender_claimed_keys": {"ed25519": room_key.signing_key},
        "session_key": room_key.session_key,
        "io.festimo.sender": room_key.sender,
    } | ({MAC: mac} if mac is not None else {})
    to_bot = PkEncryption.from_key(Curve25519PublicKey.from_base64(RECOVERY.backup_public_key))
    message = to_bot.encrypt(json.dumps(plaintext).encode())
    parts = {"ciphertext": message.ciphertext, "mac": message.mac, "ephemeral": message.ephemeral_key}
    sealed = {name: encode_base64(part) for name, part in parts.items()}
    return {"first_message_index": 0, "forwarded_count": 0, "is_verified": True, "session_data": sealed}


async def test_what_the_homeserver_puts_into_the_backup_is_not_taken(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    """Else it could speak as Alice: with a session of its own, said to be hers."""
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.step()
    keys = backups(homeserver)[-1].keys
    [genuine] = keys.values()
    mallory = Party(homeserver, "@mallory:people.test", "PHONE")
    mallory.encrypt(ROOM, "forged")
    session_id = mallory.outbound[ROOM].session_id
    key = RoomKey(
        room_id=ROOM,
        session_id=session_id,
        sender=alice.user,
        sender_key=alice.identity_key,
        signing_key=alice.signing_key,
        session_key=mallory.export_at(ROOM, 1).to_base64(),
        first_index=1,
    )
    elsewhere = entry(key, RECOVERY, ours=False)
    before = await engine.rows("inbound_sessions")
    others: list[Any] = [{}, None, 5, forged(key, mac=None), forged(key, mac="A" * 43), forged(key, mac="")]
    for data in [*others, genuine]:
        keys[ROOM, session_id] = data
        assert not await engine.key_backup.look_for(ROOM, session_id)
        await engine.restarted().key_backup.restore()
    keys["!other:x", session_id] = elsewhere
    assert not await engine.key_backup.look_for("!other:x", session_id)
    assert await engine.rows("inbound_sessions") == before
    keys[ROOM, session_id] = elsewhere  # so that the test judges both ways
    assert await engine.key_backup.look_for(ROOM, session_id)


@pytest.mark.parametrize("field", ["ciphertext", "ephemeral"])
@pytest.mark.parametrize("value", [None, 5, "", "!", "AAAA", "A" * 43])
def test_a_damaged_entry_is_none(field: str, value: object) -> None:
    key = RoomKey(
        room_id=ROOM,
        session_id="A" * 43,
        sender=BOT,
        sender_key="k",
        signing_key="s",
        session_key="x",
        first_index=0,
    )
    data = entry(key, RECOVERY, ours=True)
    assert read_entry(ROOM, "A" * 43, data, RECOVERY) == key
    data["session_data"][field] = value
    assert read_entry(ROOM, "A" * 43, data, RECOVERY) is None


def foreign_versions() -> dict[str, Backup]:
    def signed(auth_data: Json) -> Json:
        return with_signature(auth_data, BOT, IDENTITY.master.key_id, IDENTITY.master.sign)

    ours = {"public_key": RECOVERY.backup_public_key}
    theirs = {"public_key": Curve25519SecretKey().public_key().to_base64()}
    return {
        "another public key": Backup(ALGORITHM, theirs),
        "another public key under our signature": Backup(ALGORITHM, signed(ours) | theirs),
        "no signature": Backup(ALGORITHM, ours),
        "another algorithm": Backup("m.another", signed(ours)),
        "nothing that can be read": Backup(ALGORITHM, {"public_key": 5, "signatures": 5}),
    }


@pytest.mark.parametrize("kind", foreign_versions())
async def test_a_backup_that_is_not_ours_gets_nothing_and_gives_nothing(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty, kind: str
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.step()
    genuine = dict(backups(homeserver)[-1].keys)
    foreign = foreign_versions()[kind]
    foreign.keys[ROOM, "B" * 43] = next(iter(genuine.values()))
    backups(homeserver).append(foreign)
    await engine.restarted().key_backup.ensure()
    assert len(backups(homeserver)) == 3
    await engine.restarted().step()
    assert set(foreign.keys) == {(ROOM, "B" * 43)}
    assert set(backups(homeserver)[-1].keys) == set(genuine), "everything, once more"
    await engine.restarted().key_backup.ensure()
    assert len(backups(homeserver)) == 3, "ours is found again"


async def test_another_backup_that_appears_meanwhile_is_noticed_when_writing(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.step()
    backups(homeserver).append(foreign_versions()["another public key"])
    bob = await join("bob")
    await bob.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.step()
    assert len(backups(homeserver)) == 3
    assert saved(homeserver) == {alice.outbound[ROOM].session_id, bob.outbound[ROOM].session_id}
    assert backups(homeserver)[1].keys == {}


async def test_a_homeserver_that_lost_a_part_of_the_backup_gets_it_again(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.step()
    before = saved(homeserver)
    backups(homeserver)[-1].keys.clear()
    await engine.restarted().key_backup.restore()
    await engine.restarted().step()
    assert saved(homeserver) == before


async def test_a_key_that_opens_more_takes_the_place_of_the_one_in_the_backup(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    early = alice.room_key(ROOM)
    first = alice.event(ROOM, "$1", alice.encrypt(ROOM, "first"))
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.step()
    await alice.send_room_key(BOT, ROOM, early)
    await engine.step()
    await engine.step()
    [data] = backups(homeserver)[-1].keys.values()
    assert data["first_message_index"] == 0
    await lose_room_keys(engine)
    await engine.restarted().key_backup.restore()
    assert (await engine.read(first)).content["body"] == "first"
