"""Where the homeserver has not what we have: a new device, a few times; an alarm, where it is the identity."""

from typing import Any

import pytest

from appservice.encryption.own_devices import MOST_REPLACEMENTS
from appservice.encryption.publication import DEVICE_NAME, IdentityReplaced
from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from appservice.outbound.sent_before import SentBefore
from bridge.core.clock import FrozenClock
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, ROOM, Engine
from tests.appservice.encryption.party import Identity, Party
from tests.fakes.homeserver import FakeHomeserver

HOUR = 3_600_000


def only_device(homeserver: FakeHomeserver, user: str) -> tuple[str, Any]:
    [(device_id, device)] = homeserver.users[user].devices.items()
    return device_id, device


async def restart(engine: Engine) -> Engine:
    """As wiring starts: devices are in doubt."""
    engine = engine.restarted()
    async with engine.database.transaction() as tx:
        await engine.own_devices.doubt_all(tx)
    return engine


async def step_until_it_works(engine: Engine) -> None:
    """As `BotSync.run` goes on after failures, without its pauses."""
    for _ in range(3):
        try:
            await engine.step()
        except (HomeserverRefused, HomeserverUnavailable):
            continue
        return
    raise AssertionError("it does not mend itself")


async def talks_with(engine: Engine, alice: Party) -> None:
    """In both directions, after Alice has looked at the bot's devices anew."""
    alice.sessions.clear()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    event = alice.event(ROOM, f"$to{len(alice.room_keys)}", alice.encrypt(ROOM, "to the bot"))
    assert (await engine.read(event)).content["body"] == "to the bot"
    said = await engine.say("to Alice")
    await alice.sync()
    assert alice.read(said)["content"]["body"] == "to Alice"


async def test_a_deleted_device_of_the_bot_is_replaced_while_it_syncs(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await talks_with(engine, alice)
    former, _ = only_device(homeserver, BOT)
    homeserver.delete_device(BOT, former)
    await step_until_it_works(engine)
    device_id, device = only_device(homeserver, BOT)
    assert device_id != former
    assert len(device.keys["signatures"][BOT]) == 2, "cross-signed"
    assert device.one_time_keys
    assert not await engine.rows("olm_sessions")
    await talks_with(engine, alice)


async def test_a_deleted_device_of_a_ghost_is_replaced_before_it_speaks(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    homeserver.set_membership(ROOM, GHOST, "join")
    before = await engine.say("before", sender=GHOST)
    await alice.sync()
    former, _ = only_device(homeserver, GHOST)
    homeserver.delete_device(GHOST, former)
    await engine.step()  # by which the homeserver tells
    after = await engine.say("after", sender=GHOST)
    await alice.sync()
    assert only_device(homeserver, GHOST)[0] == after["content"]["device_id"] != former
    assert alice.read(after)["content"]["body"] == "after"
    assert after["content"]["session_id"] != before["content"]["session_id"]


async def test_a_device_whose_keys_are_others_on_the_homeserver_is_replaced(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    former, device = only_device(homeserver, BOT)
    device.keys["keys"][f"curve25519:{former}"] = alice.identity_key
    engine = await restart(engine)
    await engine.step()
    assert only_device(homeserver, BOT)[0] != former
    await talks_with(engine, alice)


async def test_one_time_keys_that_clash_lead_to_a_new_device(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    """As with an older copy of the database, which makes other keys under the same names."""
    alice = await join("alice")
    [copy] = await engine.rows("own_devices")
    former, device = only_device(homeserver, BOT)
    for key_id in list(device.one_time_keys)[:30]:
        del device.one_time_keys[key_id]
    await engine.step()
    async with engine.database.transaction() as tx:
        await tx.execute("UPDATE own_devices SET account = $1", copy["account"])
    for key_id in list(device.one_time_keys)[:30]:
        del device.one_time_keys[key_id]
    await engine.restarted().step()
    await engine.restarted().step()
    assert only_device(homeserver, BOT)[0] != former
    await talks_with(engine.restarted(), alice)


async def test_devices_are_replaced_a_few_times_an_hour_and_then_it_waits(
    engine: Engine, homeserver: FakeHomeserver, clock: FrozenClock, join: MakeParty
) -> None:
    alice = await join("alice")
    for _ in range(MOST_REPLACEMENTS):
        homeserver.delete_device(BOT, only_device(homeserver, BOT)[0])
        await step_until_it_works(engine)
    homeserver.delete_device(BOT, only_device(homeserver, BOT)[0])
    made = len(homeserver.calls("create_device"))
    for _ in range(5):
        with pytest.raises(HomeserverUnavailable) as waits:
            await engine.step()
        clock.advance(1000)
    assert waits.value.retry_after is not None
    assert len(homeserver.calls("create_device")) == made
    clock.advance(HOUR)
    await step_until_it_works(engine)
    await talks_with(engine, alice)


async def test_an_identity_that_the_homeserver_has_lost_is_published_again(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    device_id, _ = only_device(homeserver, BOT)
    master = homeserver.users[BOT].master
    homeserver.forget_identity(BOT)
    engine = await restart(engine)
    await engine.step()
    assert homeserver.users[BOT].master == master
    assert only_device(homeserver, BOT)[0] == device_id


@pytest.mark.parametrize("user", [BOT, GHOST])
async def test_nothing_is_said_in_the_voice_of_a_replaced_identity_and_nothing_reset(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty, user: str
) -> None:
    await join("alice")
    homeserver.set_membership(ROOM, GHOST, "join")
    await engine.say("before", sender=user)
    ours = homeserver.users[user].master
    device_id, _ = only_device(homeserver, user)
    theirs = Identity(user)
    await theirs.publish(homeserver, device_id)
    engine = await restart(engine)
    said, written = len(homeserver.timeline(ROOM)), len(homeserver.calls("upload_cross_signing"))
    for _ in range(3):
        with pytest.raises(IdentityReplaced):
            await engine.say("after", sender=user)
    assert len(homeserver.timeline(ROOM)) == said
    assert len(homeserver.calls("upload_cross_signing")) == written
    assert engine.own_devices.trouble(user) is not None
    assert (engine.sync.trouble() == engine.own_devices.trouble(BOT)) == (user == BOT)
    homeserver.users[user].master = ours
    homeserver.users[user].self_signing = None
    await engine.say("at last", sender=user)
    assert engine.own_devices.trouble(user) is None


async def test_a_ghost_whose_first_device_finds_another_identity_is_not_reset(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    await homeserver.create_device(GHOST, "STRANGE", "a client")
    await Identity(GHOST).publish(homeserver, "STRANGE")
    with pytest.raises(IdentityReplaced):
        await engine.own_devices.ensure(GHOST)
    assert list(homeserver.users[GHOST].devices) == ["STRANGE"]


async def test_former_devices_are_deleted_and_those_of_others_left_alone(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    former, _ = only_device(homeserver, BOT)
    await homeserver.create_device(BOT, "OPERATOR", "Element")
    async with engine.database.transaction() as tx:
        await tx.execute("DELETE FROM own_devices")  # as after the database was lost
    homeserver.fail("remove_device", HomeserverUnavailable("no answer"))
    with pytest.raises(HomeserverUnavailable):
        await engine.step()
    await engine.restarted().step()
    [row] = await engine.rows("own_devices")
    assert homeserver.users[BOT].devices.keys() == {"OPERATOR", row["device_id"]}
    assert homeserver.users[BOT].devices[row["device_id"]].name == DEVICE_NAME
    assert former != row["device_id"]


async def test_what_an_older_copy_takes_for_unsent_is_recognised_by_its_transaction_id(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    await join("alice")
    await engine.write("sent", "sent after the copy")
    await engine.write("unsent", "never sent")
    event_id = await engine.deliver("sent")
    device_id, _ = only_device(homeserver, BOT)
    async with engine.database.transaction() as tx:
        await tx.execute(
            "UPDATE outbox SET state = 'waiting', prepared = NULL, lane = $1",
            f"matrix:conversation of {ROOM}",
        )
    homeserver.delete_device(BOT, device_id)  # replaced after the copy
    sent_before = SentBefore(engine.database, homeserver)
    await sent_before.recollect()
    for known in (sent_before, SentBefore(engine.database, homeserver)):
        await known.load()
        assert (known.event_id("sent"), known.event_id("unsent")) == (event_id, None)
