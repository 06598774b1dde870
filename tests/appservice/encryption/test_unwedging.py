"""A device whose Olm messages no longer open gets a new session: once an hour, whatever is sent, and over any kill."""

import contextlib

from unpaddedbase64 import decode_base64, encode_base64

from bridge.core.clock import FrozenClock
from bridge.storage.database import Database
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, ROOM, Engine, WatchedDatabase
from tests.appservice.encryption.party import Party
from tests.fakes.homeserver import FakeHomeserver, refused

HOUR = 3_600_000
SPOIL = "UPDATE olm_sessions SET pickle = 'spoiled'"


class Killed(BaseException):
    """The process ends here."""


async def acquainted(engine: Engine, alice: Party) -> None:
    """Both sides have heard from each other, so that first messages are over."""
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    await engine.say("hello")
    await alice.sync()


async def lose_session(engine: Engine) -> None:
    async with engine.database.transaction() as tx:
        await tx.execute(SPOIL)


async def send_new_room_key(engine: Engine, alice: Party) -> None:
    """In the Olm session that the party used last."""
    alice.outbound.clear()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()


async def reads(engine: Engine, alice: Party) -> bool:
    """Whether the key that was sent last has arrived."""
    event = alice.event(ROOM, "$last", alice.encrypt(ROOM, "can you read this?"))
    held = {row["session_id"] for row in await engine.rows("inbound_sessions")}
    return event["content"]["session_id"] in held


async def dummies(alice: Party) -> int:
    """How many new sessions were begun with the party, which prefers the newest from now on."""
    payloads = [payload for payload in await alice.sync() if payload["type"] == "m.dummy"]
    for known in alice.sessions.values():
        known.reverse()
    assert all(payload["content"] == {} for payload in payloads)
    return len(payloads)


async def test_a_lost_session_is_begun_anew_and_room_keys_arrive_again(
    engine: Engine, clock: FrozenClock, join: MakeParty
) -> None:
    alice = await join("alice")
    await acquainted(engine, alice)
    await lose_session(engine)
    await send_new_room_key(engine, alice)
    assert not await reads(engine, alice)

    clock.advance(1)
    await engine.unwedging.step()
    assert await dummies(alice) == 1
    await send_new_room_key(engine, alice)
    assert await reads(engine, alice)


async def test_the_newest_session_is_used_for_sending(
    engine: Engine, homeserver: FakeHomeserver, clock: FrozenClock, join: MakeParty
) -> None:
    alice = await join("alice")
    await acquainted(engine, alice)
    [old] = await engine.rows("olm_sessions")
    clock.advance(1)
    [known] = alice.sessions.values()
    known.clear()  # the other side has lost it, and cannot open what comes in it
    async with engine.database.transaction() as tx:
        await tx.execute("UPDATE olm_sessions SET pickle = $1", old["pickle"])
    await alice.send_olm(BOT, "m.dummy", {}, fresh=True)
    await engine.step()
    claims = len(homeserver.claimed)
    event = await engine.say("in the session that you have just begun")
    await alice.sync()
    assert alice.reads(event)
    assert len(homeserver.claimed) == claims


async def test_a_device_that_begins_anew_gets_the_keys_that_it_may_have_missed(
    engine: Engine, clock: FrozenClock, join: MakeParty
) -> None:
    alice, ben = await join("alice"), await join("ben")
    await engine.say("hello")
    [before] = await engine.rows("outbound_sessions")
    alice.homeserver.inbox(alice.user, alice.device).clear()
    await alice.sync()
    alice.room_keys.clear()  # lost with the session over which it came
    clock.advance(1)
    await alice.send_olm(BOT, "m.dummy", {}, fresh=True)
    await engine.step()
    event = await engine.say("and again")
    for party in (alice, ben):
        await party.sync()
        assert party.reads(event)
    [after] = await engine.rows("outbound_sessions")
    assert after["session_id"] != before["session_id"]


async def test_at_most_one_session_an_hour_is_begun_with_a_device(
    engine: Engine, clock: FrozenClock, join: MakeParty
) -> None:
    alice = await join("alice")
    await acquainted(engine, alice)
    await lose_session(engine)
    begun = 0
    for passed in (0, HOUR - 1, 1, HOUR - 1):
        clock.advance(passed)
        for _ in range(3):
            engine = engine.restarted()
            await send_new_room_key(engine, alice)
            await engine.unwedging.step()
        begun += await dummies(alice)
        for known in alice.sessions.values():
            del known[:-1]  # and it goes on with the old one
        await lose_session(engine)
    assert begun == 2


async def test_nothing_is_begun_with_a_device_that_is_not_the_senders(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice, mallory = await join("alice"), await join("mallory")
    await acquainted(engine, alice)
    await lose_session(engine)
    session = await alice.session_with(BOT)
    device, sealed = alice.seal(session, BOT, "m.room_key", alice.room_key(ROOM))
    claims = len(homeserver.claimed)
    homeserver.put_to_device(mallory.user, BOT, device, "m.room.encrypted", sealed)
    homeserver.put_to_device("@nobody:people.test", BOT, device, "m.room.encrypted", sealed)
    stranger = await Party(homeserver, "@stranger:people.test", "PHONE").publish()
    _, unknown = stranger.seal(await stranger.session_with(BOT), BOT, "m.dummy", {})
    body = decode_base64(next(iter(unknown["ciphertext"].values()))["body"])
    next(iter(unknown["ciphertext"].values()))["body"] = encode_base64(body[:-1] + bytes([body[-1] ^ 1]))
    homeserver.put_to_device(stranger.user, BOT, device, "m.room.encrypted", unknown)
    given_out = len(homeserver.claimed)
    await engine.step()
    await engine.unwedging.step()
    assert await engine.rows("olm_repairs") == []
    assert len(homeserver.claimed) == given_out
    assert given_out == claims + 1  # the stranger's own


async def test_a_device_without_one_time_keys_is_left_in_peace_for_an_hour(
    engine: Engine, homeserver: FakeHomeserver, clock: FrozenClock, join: MakeParty
) -> None:
    alice = await join("alice", one_time_keys=1)
    await acquainted(engine, alice)
    await lose_session(engine)
    homeserver.users[alice.user].devices[alice.device].one_time_keys.clear()
    await send_new_room_key(engine, alice)
    await engine.unwedging.step()
    assert await dummies(alice) == 0
    await alice.publish_one_time_keys(5)
    await send_new_room_key(engine, alice)
    await engine.unwedging.step()
    assert await dummies(alice) == 0
    clock.advance(HOUR)
    await send_new_room_key(engine, alice)
    await engine.unwedging.step()
    assert await dummies(alice) == 1


async def test_a_kill_anywhere_neither_loses_the_new_session_nor_begins_two(
    database: Database, homeserver: FakeHomeserver, clock: FrozenClock
) -> None:
    watched = WatchedDatabase(database)
    engine = Engine(watched, homeserver, clock)
    homeserver.add_room(ROOM, {BOT: "join"})
    await engine.add_room()
    await engine.step()
    for number in range(8):
        alice = await Party(homeserver, f"@p{number}:people.test", "PHONE").publish()
        homeserver.set_membership(ROOM, alice.user, "join")
        await engine.members_changed()
        await acquainted(engine, alice)
        await lose_session(engine)
        await send_new_room_key(engine, alice)
        left = number

        def moment(call: str, when: str) -> None:
            nonlocal left
            left -= 1
            if left == -1:
                raise Killed

        watched.on_moment = moment
        with contextlib.suppress(Killed):
            await engine.restarted().unwedging.step()
        watched.on_moment = lambda call, when: None
        clock.advance(1)
        await engine.restarted().unwedging.step()
        assert await dummies(alice) == 1, number
        await send_new_room_key(engine, alice)
        assert await reads(engine, alice), number
        homeserver.set_membership(ROOM, alice.user, "leave")
        await engine.members_changed()


async def test_a_homeserver_that_refuses_stops_no_other_repair(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice, ben = await join("alice"), await join("ben")
    for party in (alice, ben):
        await acquainted(engine, party)
    await lose_session(engine)
    for party in (alice, ben):
        await send_new_room_key(engine, party)
    homeserver.fail("claim_keys", refused(400, "M_INVALID_PARAM"))
    await engine.unwedging.step()
    assert sorted([await dummies(alice), await dummies(ben)]) == [0, 1]
    assert {row["state"] for row in await engine.rows("olm_repairs")} == {"done"}
