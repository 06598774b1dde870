"""Who holds the key of what is sent: shares, refusals, rotation, and people who leave in the middle of it."""

from datetime import timedelta

import pytest

from appservice.encryption.device_lists import accept_identity
from appservice.encryption.outbound_sessions import retire_sessions
from appservice.encryption.sharing import ShareWith
from appservice.homeserver import HomeserverUnavailable
from bridge.core.clock import FrozenClock
from bridge.storage.database import Database
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, OTHER_GHOST, ROOM, Engine
from tests.appservice.encryption.party import Identity, Party
from tests.fakes.homeserver import Action, FakeHomeserver, Json

ZERO_KEY = "A" * 43
"""A Curve25519 point that no secret can be agreed on with."""


def session_of(event: Json) -> str:
    return str(event["content"]["session_id"])


async def end_sessions(database: Database) -> None:
    """As when somebody leaves."""
    async with database.transaction() as tx:
        await retire_sessions(tx, ROOM)


async def test_everybody_in_the_room_reads_what_the_bot_and_a_ghost_say(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice, bob = await join("alice"), await join("bob", signed=False)
    homeserver.set_membership(ROOM, GHOST, "join")
    for sender in (BOT, GHOST, BOT):
        event = await engine.say("hello", sender=sender)
        for party in (alice, bob):
            await party.sync()
            assert party.read(event)["content"]["body"] == "hello"
        assert (await engine.read(event)).content["body"] == "hello", "our own sessions do not travel"


async def test_who_is_invited_reads_and_who_left_or_is_banned_does_not(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    people = [await join(name) for name in ("invited", "left", "banned", "knocking")]
    for party, membership in zip(people, ("invite", "leave", "ban", "knock"), strict=True):
        homeserver.set_membership(ROOM, party.user, membership)
    event = await engine.say("hello")
    for party in people:
        await party.sync()
    assert [party.reads(event) for party in people] == [True, False, False, False]


@pytest.mark.parametrize("membership", ["invite", "join"])
async def test_an_answer_about_devices_that_is_overtaken_is_not_the_last_word(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty, membership: str
) -> None:
    """As when two conversations are opened at once: the member arrives in the other while asked about for this."""
    alice = await join("alice")
    homeserver.set_membership(ROOM, alice.user, membership)

    async def arrives_elsewhere() -> None:
        async with engine.database.transaction() as tx:
            await engine.device_lists.arrived(tx, [alice.user])

    homeserver.meanwhile("query_keys", arrives_elsewhere)
    event = await engine.say("hello")
    await alice.sync()
    assert alice.reads(event)


async def test_a_member_whose_name_looks_like_a_pattern_is_nobody_else(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    inside, outside = await join("a_b%"), await join("axbc")
    homeserver.set_membership(ROOM, outside.user, "leave")
    event = await engine.say("hello")
    for party in (inside, outside):
        await party.sync()
    assert (inside.reads(event), outside.reads(event)) == (True, False)


async def test_who_comes_later_reads_from_then_on(engine: Engine, join: MakeParty) -> None:
    await join("alice")
    before = await engine.say("before")
    bob = await join("bob")
    after = await engine.say("after")
    await bob.sync()
    assert session_of(before) == session_of(after)
    assert (bob.reads(before), bob.reads(after)) == (False, True)


async def test_who_comes_while_a_message_is_on_its_way_reads_that_message(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    await join("alice")
    before = await engine.say("before")
    await engine.write("letter", "on its way")
    homeserver.fail("send_encrypted", TimeoutError())
    with pytest.raises(TimeoutError):
        await engine.deliver("letter")
    bob = await join("bob")
    await engine.restarted().deliver("letter")
    await bob.sync()
    assert (bob.reads(before), bob.reads(homeserver.timeline(ROOM)[-1])) == (False, True)


# Devices and identities


async def test_an_unsigned_device_of_a_user_with_an_identity_gets_no_key_but_a_reason(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    phone = await join("alice")
    tablet = await Party(homeserver, phone.user, "TABLET").publish()
    first, second = await engine.say("one"), await engine.say("two")
    await phone.sync()
    await tablet.sync()
    assert [phone.reads(event) for event in (first, second)] == [True, True]
    assert not tablet.reads(first)
    assert not tablet.reads(second)
    [reason] = tablet.withheld
    assert (reason["code"], reason["session_id"]) == ("m.unverified", session_of(first))
    assert (reason["room_id"], reason["sender_key"]) == (ROOM, first["content"]["sender_key"])

    assert phone.identity is not None
    tablet.sign_with(phone.identity)
    await engine.step()
    third = await engine.say("three")
    await tablet.sync()
    assert (tablet.reads(second), tablet.reads(third)) == (False, True)


@pytest.mark.parametrize(
    ("policy", "unsigned", "without_identity"),
    [("identity_aware", False, True), ("cross_signed", False, False), ("everyone", True, True)],
)
async def test_the_setting_decides_about_unsigned_devices(
    engine: Engine,
    homeserver: FakeHomeserver,
    join: MakeParty,
    policy: ShareWith,
    unsigned: bool,
    without_identity: bool,
) -> None:
    alice, bob = await join("alice"), await join("bob", signed=False)
    tablet = await Party(homeserver, alice.user, "TABLET").publish()
    event = await engine.restarted(share_with=policy).say("hello")
    for party in (alice, tablet, bob):
        await party.sync()
    assert [party.reads(event) for party in (alice, tablet, bob)] == [True, unsigned, without_identity]


async def test_after_a_new_identity_nothing_is_shared_until_it_is_accepted(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice, bob = await join("alice"), await join("bob")
    await engine.step()
    before = await engine.say("before")
    identity = Identity(alice.user)
    await identity.publish(homeserver, alice.device)
    laptop = await Party(homeserver, alice.user, "LAPTOP", identity).publish()
    await engine.step()
    refused = await engine.say("not for whoever that is")
    for party in (alice, bob, laptop):
        await party.sync()
    assert (alice.reads(before), bob.reads(before), bob.reads(refused)) == (True, True, True)
    assert (alice.reads(refused), laptop.reads(refused)) == (False, False)

    assert await accept_identity(engine.database, alice.user)
    accepted = await engine.say("to her again")
    for party in (alice, laptop):
        await party.sync()
    assert (laptop.reads(refused), laptop.reads(accepted)) == (False, True)
    assert not alice.reads(accepted), "a device that only the former identity has signed"


async def test_after_an_identity_has_vanished_nothing_is_shared(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.step()
    await engine.say("before")
    homeserver.forget_identity(alice.user)
    tablet = await Party(homeserver, alice.user, "TABLET").publish()
    await engine.step()
    event = await engine.say("after")
    for party in (alice, tablet):
        await party.sync()
        assert not party.reads(event)


async def test_a_first_identity_ends_what_unsigned_devices_could_read(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    old = await join("alice", signed=False)
    await engine.step()
    before = await engine.say("before")
    await Party(homeserver, old.user, "LAPTOP", Identity(old.user)).publish()
    await engine.step()
    after = await engine.say("after")
    await old.sync()
    assert (old.reads(before), old.reads(after)) == (True, False)


async def test_a_device_without_olm_is_left_alone(
    engine: Engine, join: MakeParty, homeserver: FakeHomeserver
) -> None:
    alice = await join("alice")
    tv = Party(homeserver, alice.user, "TV", alice.identity, algorithms=["m.other"])
    await tv.publish()
    await engine.say("hello")
    assert homeserver.inbox(alice.user, "TV") == []


# Keys that cannot be had


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


# Rotation


async def test_a_new_session_begins_after_a_hundred_messages(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    events = [await engine.say(str(number)) for number in range(102)]
    await alice.sync()
    assert all(alice.reads(event) for event in events)
    sessions = [session_of(event) for event in events]
    assert len(set(sessions[:100])) == len(set(sessions[100:])) == 1
    assert sessions[99] != sessions[100]


async def test_a_new_session_begins_after_seven_days(
    engine: Engine, clock: FrozenClock, join: MakeParty
) -> None:
    alice = await join("alice")
    week = int(timedelta(days=7) / timedelta(milliseconds=1))
    events = [await engine.say("now")]
    clock.advance(week - 1)
    events.append(await engine.say("just before"))
    clock.advance(1)
    events.append(await engine.say("after"))
    await alice.sync()
    assert all(alice.reads(event) for event in events)
    first, second, third = (session_of(event) for event in events)
    assert first == second != third


async def test_a_change_of_history_visibility_begins_new_sessions_of_everybody(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    await join("alice")
    homeserver.set_membership(ROOM, GHOST, "join")
    before = [session_of(await engine.say("x", sender=sender)) for sender in (BOT, GHOST)]
    await engine.retire()
    after = [session_of(await engine.say("x", sender=sender)) for sender in (BOT, GHOST)]
    assert len({*before, *after}) == 4


async def test_who_left_reads_nothing_said_afterwards_by_anybody(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice, bob = await join("alice"), await join("bob")
    homeserver.set_membership(ROOM, GHOST, "join")
    before = [await engine.say("x", sender=sender) for sender in (BOT, GHOST)]
    homeserver.set_membership(ROOM, bob.user, "leave")
    await engine.members_changed()
    after = [await engine.say("x", sender=sender) for sender in (BOT, GHOST)]
    for party in (alice, bob):
        await party.sync()
    assert all(alice.reads(event) for event in before + after)
    assert [bob.reads(event) for event in before + after] == [True, True, False, False]


async def test_ghosts_come_and_go_without_a_new_session(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    await join("alice")
    sessions = set()
    for membership in ("join", "leave", "join"):
        homeserver.set_membership(ROOM, OTHER_GHOST, membership)
        await engine.members_changed()
        sessions.add(session_of(await engine.say("x")))
    assert len(sessions) == 1


async def test_a_removed_device_reads_nothing_said_afterwards(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    phone = await join("alice")
    stolen = await Party(homeserver, phone.user, "STOLEN", phone.identity).publish()
    await engine.step()
    before = await engine.say("before")
    await stolen.sync()
    homeserver.delete_device(stolen.user, stolen.device)
    await engine.step()
    after = await engine.say("after")
    await phone.sync()
    assert (phone.reads(before), phone.reads(after), stolen.reads(before)) == (True, True, True)
    assert session_of(before) != session_of(after)


# In the middle of a share


@pytest.mark.parametrize("sender", [BOT, GHOST])
@pytest.mark.parametrize("call", ["members", "query_keys", "claim_keys", "send_to_device"])
async def test_who_leaves_while_the_key_is_shared_does_not_get_the_key_that_is_used(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty, call: str, sender: str
) -> None:
    alice, bob = await join("alice"), await join("bob")
    homeserver.set_membership(ROOM, GHOST, "join")

    async def bob_leaves() -> None:
        homeserver.set_membership(ROOM, bob.user, "leave")
        await engine.members_changed()

    homeserver.meanwhile(call, bob_leaves)
    event = await engine.say("not for bob", sender=sender)
    await alice.sync()
    await bob.sync()
    assert (alice.reads(event), bob.reads(event)) == (True, False)


def no_longer_bobs_device(engine: Engine, homeserver: FakeHomeserver, bob: Party) -> Action:
    async def action() -> None:
        homeserver.delete_device(bob.user, bob.device)
        await engine.restarted().step()

    return action


def no_longer_bobs_identity(engine: Engine, homeserver: FakeHomeserver, bob: Party) -> Action:
    async def action() -> None:
        await Identity(bob.user).publish(homeserver, bob.device)
        await engine.restarted().step()

    return action


@pytest.mark.parametrize("sender", [BOT, GHOST])
@pytest.mark.parametrize("call", ["claim_keys", "send_to_device"])
@pytest.mark.parametrize("change", [no_longer_bobs_device, no_longer_bobs_identity])
async def test_a_device_that_loses_its_right_while_the_key_is_shared_cannot_read_the_message(
    engine: Engine,
    homeserver: FakeHomeserver,
    join: MakeParty,
    call: str,
    sender: str,
    change: object,
) -> None:
    alice, bob = await join("alice"), await join("bob")
    homeserver.set_membership(ROOM, GHOST, "join")
    await engine.step()
    assert callable(change)
    homeserver.meanwhile(call, change(engine, homeserver, bob))
    event = await engine.say("not for bob's device", sender=sender)
    await alice.sync()
    if bob.device in homeserver.users[bob.user].devices:
        await bob.sync()
        assert not bob.reads(event)
    assert alice.reads(event)
    shared = {
        (row["user_id"], row["outcome"])
        for row in await engine.rows("session_shares")
        if row["session_id"] == session_of(event)
    }
    assert (bob.user, "shared") not in shared


async def test_who_comes_while_the_key_is_shared_reads_too(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    await join("alice")
    late: list[Party] = []

    async def bob_comes() -> None:
        late.append(await join("bob"))

    homeserver.meanwhile("send_to_device", bob_comes)
    event = await engine.say("hello")
    await late[0].sync()
    assert late[0].reads(event)


# Order


async def test_no_event_goes_before_the_homeserver_has_taken_its_keys(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.write("letter", "hello")
    for moment in ("before", "after"):
        homeserver.fail("send_to_device", TimeoutError(), moment=moment)
        with pytest.raises(TimeoutError):
            await engine.restarted().deliver("letter")
        assert homeserver.timeline(ROOM) == []
        assert len(await engine.rows("to_device")) == 1
    await engine.restarted().deliver("letter")
    assert len(homeserver.inbox(alice.user, alice.device)) == 1, "the repeat is no second message"
    await alice.sync()
    assert alice.reads(homeserver.timeline(ROOM)[-1])
    assert await engine.rows("to_device") == []


async def test_a_ghost_uses_a_new_olm_session_for_every_key(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    homeserver.set_membership(ROOM, GHOST, "join")
    for number in range(3):
        event = await engine.say(str(number), sender=GHOST)
        await alice.sync()
        assert alice.reads(event)
        await engine.retire()
    assert len(homeserver.claimed) == 3
    assert await engine.rows("olm_sessions") == []


async def test_the_bot_goes_on_in_the_olm_session_that_it_has(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    for number in range(3):
        event = await engine.restarted().say(str(number))
        await alice.sync()
        assert alice.reads(event)
        await engine.retire()
    assert len(homeserver.claimed) == 1
