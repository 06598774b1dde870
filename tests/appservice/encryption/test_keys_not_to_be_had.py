"""Devices that can be given no key: what they missed they read once they can, and nobody waits for them."""

import pytest

from appservice.encryption.outbound_sessions import retire_sessions
from appservice.encryption.owed_keys import OwedKeys
from appservice.homeserver import HomeserverUnavailable
from bridge.storage.database import Database
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, ROOM, Engine, session_of
from tests.appservice.encryption.party import Party
from tests.fakes.homeserver import FakeHomeserver

ZERO_KEY = "A" * 43


async def end_sessions(database: Database) -> None:
    """As when somebody leaves."""
    async with database.transaction() as tx:
        await retire_sessions(tx, ROOM)


async def test_a_device_without_a_one_time_key_is_told_and_reads_all_it_missed_before_the_next_message(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice, bob = await join("alice"), await join("bob", one_time_keys=0)
    first = await engine.say("one")
    await alice.sync()
    await bob.sync()
    assert (alice.reads(first), bob.reads(first)) == (True, False)
    assert [reason["code"] for reason in bob.withheld] == ["m.no_olm"]
    assert bob.withheld[0]["sender_key"] == first["content"]["sender_key"]
    second = await engine.say("two")

    await bob.publish_one_time_keys(5)
    third = await engine.restarted().say("three")
    await alice.sync()
    await bob.sync()
    assert session_of(first) == session_of(second) == session_of(third)
    assert [bob.reads(event) for event in (first, second, third)] == [True, True, True]
    assert alice.reads(third)


@pytest.mark.parametrize("sender", [BOT, GHOST])
async def test_what_a_device_missed_of_sessions_that_have_ended_it_reads_once_it_has_a_key(
    engine: Engine, database: Database, homeserver: FakeHomeserver, join: MakeParty, sender: str
) -> None:
    homeserver.set_membership(ROOM, GHOST, "join")
    alice, bob = await join("alice"), await join("bob", one_time_keys=0)
    events = []
    for text in ("one", "two", "three"):
        events += [await engine.say(words, sender=sender) for words in (text, f"{text} again")]
        await end_sessions(database)
    await bob.sync()
    assert not any(bob.reads(event) for event in events)

    await bob.publish_one_time_keys(1)
    last = await engine.restarted().say("four", sender=sender)
    for party in (alice, bob):
        await party.sync()
        assert [party.reads(event) for event in (*events, last)] == [True] * 7
    assert len({session_of(event) for event in (*events, last)}) == 4


async def test_a_device_that_gets_keys_again_reads_what_it_missed_though_nobody_speaks(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    """Its client makes new one-time keys when it is next in use: nobody tells us."""
    bob = await join("bob", one_time_keys=0)
    missed = await engine.say("one")
    sent = len(homeserver.timeline(ROOM))
    owed_keys = OwedKeys(engine.database, engine.encryptor, engine.servers, pauses=(0.0,))
    await owed_keys.step()
    await bob.sync()
    assert not bob.reads(missed)

    await bob.publish_one_time_keys(1)
    await owed_keys.step()
    await bob.sync()
    assert bob.reads(missed)
    assert len(homeserver.timeline(ROOM)) == sent


@pytest.mark.parametrize("sender", [BOT, GHOST])
async def test_a_claim_that_another_at_the_same_time_left_without_a_key_is_made_once_more(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty, sender: str
) -> None:
    homeserver.set_membership(ROOM, GHOST, "join")
    alice, bob = await join("alice"), await join("bob")
    homeserver.claims_in_vain = 1
    event = await engine.say("one", sender=sender)
    for party in (alice, bob):
        await party.sync()
        assert party.reads(event)


async def test_a_key_of_an_ended_session_is_on_its_way_though_the_next_ends_before_it_left(
    engine: Engine, database: Database, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    bob = await join("bob", one_time_keys=0)
    missed = await engine.say("one")
    await end_sessions(database)
    await bob.publish_one_time_keys(2)
    homeserver.fail("send_to_device", HomeserverUnavailable("away"))
    with pytest.raises(HomeserverUnavailable):
        await engine.say("two")
    await end_sessions(database)
    await engine.restarted().say("three")
    await bob.sync()
    assert bob.reads(missed)


async def test_a_device_that_is_gone_is_owed_nothing(
    engine: Engine, database: Database, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    bob = await join("bob", one_time_keys=0)
    await engine.say("one")
    await end_sessions(database)
    await engine.say("two")
    assert await database.fetch_value("SELECT COUNT(*) FROM owed_keys") == 1
    homeserver.delete_device(bob.user, bob.device)
    await engine.step()
    assert await database.fetch_value("SELECT COUNT(*) FROM owed_keys") == 0


async def test_a_server_that_is_down_keeps_nobody_else_from_reading(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    far = await Party(homeserver, "@far:down.test", "PHONE").publish()
    homeserver.set_membership(ROOM, far.user, "join")
    homeserver.down.add("down.test")
    first = await engine.say("one")
    homeserver.down.clear()
    await engine.step()
    second = await engine.say("two")
    await alice.sync()
    await far.sync()
    assert [alice.reads(event) for event in (first, second)] == [True, True]
    assert [far.reads(event) for event in (first, second)] == [False, True]


@pytest.mark.parametrize("bad", ["identity key", "one-time key", "signature", "answer"])
async def test_a_device_with_bad_keys_keeps_nobody_else_from_reading(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty, bad: str
) -> None:
    alice, mallory = await join("alice"), await join("mallory", signed=False)
    device = homeserver.users[mallory.user].devices[mallory.device]
    if bad == "identity key":
        assert device.keys is not None
        keys = {**device.keys, "keys": {**device.keys["keys"], f"curve25519:{mallory.device}": ZERO_KEY}}
        device.keys = mallory._signed({name: value for name, value in keys.items() if name != "signatures"})
    for key_id, key in device.one_time_keys.items():
        if bad == "one-time key":
            device.one_time_keys[key_id] = mallory._signed({"key": ZERO_KEY})
        elif bad == "signature":
            device.one_time_keys[key_id] = {**key, "key": alice.identity_key}
        elif bad == "answer":
            device.one_time_keys[key_id] = {"key": ["?"]}
    event = await engine.say("hello")
    await alice.sync()
    await mallory.sync()
    assert alice.reads(event)
    assert not mallory.reads(event)
    assert [reason["code"] for reason in mallory.withheld] == ["m.no_olm"]
