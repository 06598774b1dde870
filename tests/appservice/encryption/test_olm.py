"""To-device messages to the bot: nothing is believed that is not meant for it, and garbage costs nothing."""

import asyncio
import copy
from typing import Any

from unpaddedbase64 import decode_base64, encode_base64

from bridge.core.clock import FrozenClock
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, ROOM, Engine
from tests.appservice.encryption.party import Party
from tests.fakes.homeserver import FakeHomeserver, Json

ALICE = "@alice:people.test"
USES = 40


async def can_be_reached(engine: Engine, alice: Party) -> None:
    """A room key in a session begun with a claimed one-time key arrives."""
    alice.outbound.pop(ROOM, None)
    await alice.send_olm(BOT, "m.room_key", alice.room_key(ROOM), fresh=True)
    await engine.step()
    event = alice.event(ROOM, "$reached", alice.encrypt(ROOM, "hello"))
    assert (await engine.read(event)).content["body"] == "hello"


async def test_a_garbage_first_message_burns_no_one_time_key(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.step()
    session = await alice.session_with(BOT)
    device, sealed = alice.seal(session, BOT, "m.room_key", alice.room_key(ROOM))
    before = await engine.rows("own_devices"), await engine.rows("olm_sessions")
    body = decode_base64(next(iter(sealed["ciphertext"].values()))["body"])
    for garbage in (
        body[:-1] + bytes([body[-1] ^ 1]),
        body[:-40],
        body[:60] + body[70:],
        b"",
        b"\x03garbage",
    ):
        broken = copy.deepcopy(sealed)
        next(iter(broken["ciphertext"].values()))["body"] = encode_base64(garbage)
        homeserver.put_to_device(ALICE, BOT, device, "m.room.encrypted", broken)
    await engine.step()
    assert (await engine.rows("own_devices"), await engine.rows("olm_sessions")) == before

    homeserver.put_to_device(ALICE, BOT, device, "m.room.encrypted", sealed)
    await engine.step()
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "hello"))
    assert (await engine.read(event)).content["body"] == "hello"


async def test_a_repeated_first_message_changes_nothing_and_the_session_goes_on(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.step()
    sealed = await alice.send_room_key(BOT, ROOM)
    [device] = homeserver.users[BOT].devices
    await engine.step()
    before = [await engine.rows(table) for table in ("own_devices", "olm_sessions", "inbound_sessions")]
    homeserver.put_to_device(ALICE, BOT, device, "m.room.encrypted", sealed)
    await engine.step()
    assert [await engine.rows(t) for t in ("own_devices", "olm_sessions", "inbound_sessions")] == before

    alice.outbound.clear()
    await alice.send_room_key(
        BOT, ROOM
    )  # in the same Olm session, of which the bot has not yet answered anything
    await engine.step()
    assert (await engine.read(alice.event(ROOM, "$1", alice.encrypt(ROOM, "on")))).content["body"] == "on"


NOT_FOR_US: list[tuple[str, dict[str, Any]]] = [
    ("another recipient", {"recipient": "@festimo_ann:bridge.test"}),
    ("another device's key", {"recipient_keys": {"ed25519": "A" * 43}}),
    ("no recipient keys", {"recipient_keys": {}}),
    ("recipient keys of a wrong kind", {"recipient_keys": []}),
    ("another sender", {"sender": "@mallory:people.test"}),
    ("no keys of the sender", {"keys": {}}),
    ("a key of the sender that is a number", {"keys": {"ed25519": 5}}),
    ("content of a wrong kind", {"content": "m.room_key"}),
]


async def test_a_message_that_is_not_from_its_sender_to_this_device_is_refused(
    engine: Engine, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.step()
    for name, changed in NOT_FOR_US:
        await alice.send_olm(BOT, "m.room_key", alice.room_key(ROOM), **changed)
        await engine.step()
        assert await engine.rows("inbound_sessions") == [], name
    await can_be_reached(engine, alice)


async def test_a_message_passed_on_under_another_name_is_refused(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.step()
    session = await alice.session_with(BOT)
    device, sealed = alice.seal(session, BOT, "m.room_key", alice.room_key(ROOM))
    homeserver.put_to_device("@mallory:people.test", BOT, device, "m.room.encrypted", sealed)
    await engine.step()
    assert await engine.rows("inbound_sessions") == []


def ciphertext(content: Json) -> Json:
    """The part of the message that is for the bot."""
    part: Json = next(iter(content["ciphertext"].values()))
    return part


MALFORMED: list[tuple[str, Any]] = [
    ("no content", lambda content: content.clear()),
    ("another algorithm", lambda content: content.update(algorithm="m.olm.v2")),
    ("no ciphertext", lambda content: content.pop("ciphertext")),
    ("a list of ciphertexts", lambda content: content.update(ciphertext=[])),
    ("ciphertext for others", lambda content: content.update(ciphertext={"A" * 43: {"type": 0, "body": ""}})),
    ("a type of a wrong kind", lambda content: ciphertext(content).update(type="0")),
    ("an unknown type", lambda content: ciphertext(content).update(type=7)),
    ("a negative type", lambda content: ciphertext(content).update(type=-1)),
    ("a huge type", lambda content: ciphertext(content).update(type=2**80)),
    ("the other type", lambda content: ciphertext(content).update(type=1)),
    ("a body of a wrong kind", lambda content: ciphertext(content).update(body=5)),
    ("a body that is no base64", lambda content: ciphertext(content).update(body="\ud800")),
    ("no sender key", lambda content: content.pop("sender_key")),
    ("a sender key of a wrong kind", lambda content: content.update(sender_key=[])),
    ("a short sender key", lambda content: content.update(sender_key="AAAA")),
    # A database that cannot store it would make the whole /sync fail, for ever.
    ("a sender key with a NUL", lambda content: content.update(sender_key="\0")),
    ("a sender key with half a character", lambda content: content.update(sender_key="\ud800")),
]


async def test_a_malformed_message_stops_nothing(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.step()
    session = await alice.session_with(BOT)
    for name, spoil in MALFORMED:
        device, sealed = alice.seal(session, BOT, "m.room_key", alice.room_key(ROOM))
        spoil(sealed)
        homeserver.put_to_device(ALICE, BOT, device, "m.room.encrypted", sealed)
        await engine.step()
        assert await engine.rows("inbound_sessions") == [], name
    await can_be_reached(engine, alice)


async def test_a_message_that_opens_in_no_session_is_refused(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.say("so that the bot begins a session")
    await alice.sync()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    [device] = homeserver.users[BOT].devices
    session = await alice.session_with(BOT)
    _, sealed = alice.seal(session, BOT, "m.room_key", alice.room_key(ROOM))
    assert ciphertext(sealed)["type"] == 1
    before = await engine.rows("olm_sessions")
    body = decode_base64(ciphertext(sealed)["body"])
    ciphertext(sealed)["body"] = encode_base64(body[:-1] + bytes([body[-1] ^ 1]))
    homeserver.put_to_device(ALICE, BOT, device, "m.room.encrypted", sealed)
    await engine.step()
    assert await engine.rows("olm_sessions") == before
    await can_be_reached(engine, alice)


async def test_however_many_sessions_a_device_begins_the_ten_newest_are_kept(
    engine: Engine, clock: FrozenClock, join: MakeParty
) -> None:
    alice, ben = await join("alice"), await join("ben")
    await ben.send_room_key(BOT, ROOM)
    await engine.step()
    for _ in range(15):
        clock.advance(1)
        await alice.send_olm(BOT, "m.dummy", {}, fresh=True)
        await engine.step()
    [sessions] = [known for key, known in alice.sessions.items() if key != alice.identity_key]
    kept = {row["session_id"] for row in await engine.rows("olm_sessions")}
    assert len(kept) == 10 + 1
    assert {session.session_id for session in sessions[:10]} <= kept
    await can_be_reached(engine, alice)


async def test_messages_in_one_session_arrive_in_any_order(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.step()
    session = await alice.session_with(BOT)
    sealed = []
    for number in range(5):
        room = f"!room{number}"
        sealed.append(alice.seal(session, BOT, "m.room_key", alice.room_key(room)))
    for device, content in reversed(sealed):
        homeserver.put_to_device(ALICE, BOT, device, "m.room.encrypted", content)
        engine = engine.restarted()
        await engine.step()
    rooms = {row["room_id"] for row in await engine.rows("inbound_sessions")}
    assert rooms == {f"!room{number}" for number in range(5)}


async def test_many_who_use_the_same_sessions_at_once_never_wait_for_each_other_in_a_ring(
    engine: Engine, clock: FrozenClock, join: MakeParty
) -> None:
    """PostgreSQL would end one of them. Each use makes another session the most recent one."""
    alice = await join("alice")
    for _ in range(4):
        await alice.send_olm(BOT, "m.dummy", {}, fresh=True)
        await engine.step()

    async def use(number: int) -> None:
        for _ in range(USES):
            clock.advance(1)
            async with engine.database.transaction() as tx:
                sessions = await engine.olm._sessions(tx, BOT, alice.identity_key)
                await engine.olm._put(tx, BOT, alice.identity_key, sessions[number % len(sessions)])

    await asyncio.gather(*(use(number) for number in range(8)))
