"""Who holds the key of what is sent: members, their devices and identities."""

import pytest

from appservice.encryption.device_lists import accept_identity
from appservice.encryption.sharing import ShareWith
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, ROOM, Engine, session_of
from tests.appservice.encryption.party import Identity, Party
from tests.fakes.homeserver import FakeHomeserver


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
