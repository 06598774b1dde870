"""Room keys from others, and what is decrypted with them."""

import base64
import struct
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from unpaddedbase64 import encode_base64
from vodozemac import GroupSession

from appservice.encryption.inbound_sessions import KeyMissing, NotAuthentic
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, ROOM, Engine
from tests.appservice.encryption.party import MEGOLM, Party
from tests.fakes.homeserver import FakeHomeserver, Json


def handmade_key(owner: Ed25519PrivateKey, ratchet: bytes, index: int) -> Json:
    """An `m.room_key` whose ratchet is any: only the owner of the session can make two that differ."""
    public = owner.public_key().public_bytes_raw()
    bare = b"\x02" + struct.pack(">I", index) + ratchet + public
    return {
        "algorithm": MEGOLM,
        "room_id": ROOM,
        "session_id": encode_base64(public),
        "session_key": base64.b64encode(bare + owner.sign(bare)).decode().rstrip("="),
    }


async def text(engine: Engine, event: Json) -> str:
    return str((await engine.read(event)).content["body"])


async def test_a_message_waits_for_its_key_and_is_read_when_the_key_comes(
    engine: Engine, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.step()
    key = alice.room_key(ROOM)
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "hello"))
    with pytest.raises(KeyMissing) as missing:
        await engine.read(event)
    assert missing.value.session_id == key["session_id"]
    await alice.send_room_key(BOT, ROOM, key)
    await engine.step()
    assert await text(engine, event) == "hello"
    assert await text(engine, event) == "hello", "the same event may come again"


async def test_a_room_key_in_plaintext_is_refused(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.step()
    [device] = homeserver.users[BOT].devices
    for event_type in ("m.room_key", "m.forwarded_room_key"):
        homeserver.put_to_device(alice.user, BOT, device, event_type, alice.room_key(ROOM))
    await engine.step()
    assert await engine.rows("inbound_sessions") == []


async def test_a_forwarded_room_key_changes_nothing(engine: Engine, join: MakeParty) -> None:
    alice, mallory = await join("alice"), await join("mallory")
    await engine.step()
    key = alice.room_key(ROOM)
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "hello"))
    for sender in (mallory, alice):
        forwarded = {
            **key,
            "session_key": alice.export_at(ROOM, 1).to_base64(),
            "sender_key": alice.identity_key,
            "sender_claimed_ed25519_key": alice.signing_key,
            "forwarding_curve25519_key_chain": [],
        }
        await sender.send_olm(BOT, "m.forwarded_room_key", forwarded)
        await sender.send_olm(BOT, "m.forwarded_room_key", {**forwarded, "session_key": key["session_key"]})
        await sender.send_olm(BOT, "m.room_key", {**key, "session_key": forwarded["session_key"]})
    await engine.step()
    assert await engine.rows("inbound_sessions") == []
    with pytest.raises(KeyMissing):
        await engine.read(event)


async def test_nobody_is_answered_who_asks_for_a_key(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    event = await engine.say("before")
    await engine.step()
    tablet = await Party(homeserver, alice.user, "TABLET", alice.identity).publish()
    stranger = await Party(homeserver, "@mallory:people.test", "PHONE").publish()
    [device] = homeserver.users[BOT].devices
    sent, rows = len(homeserver.calls("send_to_device")), await engine.rows("session_shares")
    for asker in (alice, tablet, stranger):
        request = {
            "action": "request",
            "request_id": "1",
            "requesting_device_id": asker.device,
            "body": {
                "algorithm": MEGOLM,
                "room_id": ROOM,
                "session_id": event["content"]["session_id"],
                "sender_key": event["content"]["sender_key"],
            },
        }
        homeserver.put_to_device(asker.user, BOT, device, "m.room_key_request", request)
        await asker.send_olm(BOT, "m.room_key_request", request)
    await engine.step()
    assert len(homeserver.calls("send_to_device")) == sent
    assert await engine.rows("session_shares") == rows
    assert await engine.rows("to_device") == []


USELESS: list[tuple[str, dict[str, Any]]] = [
    ("another algorithm", {"algorithm": "m.megolm.v2"}),
    ("no room", {"room_id": None}),
    ("another session's id", {"session_id": GroupSession().session_id}),
    ("a session id of a wrong kind", {"session_id": ["x"]}),
    ("no key", {"session_key": None}),
    ("what is no key", {"session_key": "AAAA"}),
    ("a key that is no text", {"session_key": "\ud800"}),
    # A database that cannot store it would make the whole /sync fail, for ever.
    ("a room with a NUL", {"room_id": "!a\0b"}),
    ("a room with half a character", {"room_id": "!\ud800"}),
    ("a session id with a NUL", {"session_id": "a\0b"}),
    ("a session id with half a character", {"session_id": "\ud800"}),
]


async def test_a_room_key_that_is_none_is_not_kept_and_stops_nothing(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    await engine.step()
    for name, changed in USELESS:
        await alice.send_room_key(BOT, ROOM, {**alice.room_key(ROOM), **changed})
        await engine.step()
        assert await engine.rows("inbound_sessions") == [], name
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    assert await text(engine, alice.event(ROOM, "$1", alice.encrypt(ROOM, "hello"))) == "hello"


# The same session once more


async def test_a_key_sent_again_at_a_higher_index_takes_nothing_away(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    await engine.step()
    await alice.send_room_key(BOT, ROOM)
    first = alice.event(ROOM, "$1", alice.encrypt(ROOM, "first"))
    await engine.step()
    before = await engine.rows("inbound_sessions")
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    assert await engine.rows("inbound_sessions") == before
    assert await text(engine, first) == "first"


async def test_a_key_sent_again_at_a_lower_index_opens_more(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    await engine.step()
    key = alice.room_key(ROOM)
    first = alice.event(ROOM, "$1", alice.encrypt(ROOM, "first"))
    await alice.send_room_key(BOT, ROOM)
    second = alice.event(ROOM, "$2", alice.encrypt(ROOM, "second"))
    await engine.step()
    assert await text(engine, second) == "second"
    with pytest.raises(KeyMissing):
        await engine.read(first)
    await alice.send_room_key(BOT, ROOM, key)
    await engine.step()
    assert [await text(engine, event) for event in (first, second)] == ["first", "second"]


async def test_a_key_with_the_same_id_on_another_ratchet_is_refused(engine: Engine, join: MakeParty) -> None:
    alice, owner = await join("alice"), Ed25519PrivateKey.generate()
    await engine.step()
    await alice.send_room_key(BOT, ROOM, handmade_key(owner, bytes(128), 5))
    await engine.step()
    [before] = await engine.rows("inbound_sessions")
    assert before["first_index"] == 5
    await alice.send_room_key(BOT, ROOM, handmade_key(owner, b"x" * 128, 0))
    await engine.step()
    assert await engine.rows("inbound_sessions") == [before]


# Somebody else's key


async def passed_on(engine: Engine, mallory: Party, key: Json) -> None:
    await mallory.send_room_key(BOT, ROOM, key)
    await engine.step()


@pytest.mark.parametrize("order", ["victim first", "attacker first"])
@pytest.mark.parametrize("index", ["the same index", "an earlier index"])
async def test_a_key_passed_on_under_another_name_does_not_touch_its_owners_messages(
    engine: Engine, join: MakeParty, order: str, index: str
) -> None:
    alice, mallory = await join("alice"), await join("mallory")
    await engine.step()
    passed = alice.room_key(ROOM)
    if index == "an earlier index":
        alice.encrypt(ROOM, "not for the bot")
    own = alice.room_key(ROOM)
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "hello"))
    if order == "attacker first":
        await passed_on(engine, mallory, passed)
        with pytest.raises(KeyMissing):
            await engine.read(event)  # alice's own key can still come: nothing is given up
        await passed_on(engine, alice, own)
    else:
        await passed_on(engine, alice, own)
        await passed_on(engine, mallory, passed)
    assert await text(engine, event) == "hello"


async def test_a_copied_message_does_not_make_the_original_a_replay(engine: Engine, join: MakeParty) -> None:
    alice, mallory = await join("alice"), await join("mallory")
    await engine.step()
    key = alice.room_key(ROOM)
    content = alice.encrypt(ROOM, "hello")
    await passed_on(engine, mallory, key)
    copied = mallory.event(ROOM, "$copied", {**content, "sender_key": mallory.identity_key})
    await engine.read(copied)  # mallory says what mallory knows: nothing is put into alice's mouth
    await passed_on(engine, alice, key)
    assert await text(engine, alice.event(ROOM, "$1", content)) == "hello"


async def test_nobody_speaks_with_another_ones_key(engine: Engine, join: MakeParty) -> None:
    alice, mallory = await join("alice"), await join("mallory")
    await engine.step()
    await alice.send_room_key(BOT, ROOM)
    await mallory.send_room_key(BOT, ROOM)
    await engine.step()
    forged = mallory.event(ROOM, "$1", mallory.encrypt(ROOM, "I am alice"), sender=alice.user)
    stolen = alice.event(ROOM, "$2", alice.encrypt(ROOM, "I am mallory"), sender=mallory.user)
    for event in (forged, stolen):
        with pytest.raises((NotAuthentic, KeyMissing)):
            await engine.read(event)
    assert await engine.rows("message_indexes") == []


async def test_nobody_speaks_with_the_bots_key(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    event = await engine.say("hello")
    assert await text(engine, event) == "hello"
    with pytest.raises((NotAuthentic, KeyMissing)):
        await engine.read({**event, "sender": alice.user, "event_id": "$copied"})


# Messages


async def test_a_message_under_another_event_id_is_a_replay(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    await engine.step()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    content = alice.encrypt(ROOM, "pay 500")
    assert await text(engine, alice.event(ROOM, "$1", content)) == "pay 500"
    with pytest.raises(NotAuthentic, match="replay"):
        await engine.restarted().read(alice.event(ROOM, "$2", content))
    assert await text(engine, alice.event(ROOM, "$1", content)) == "pay 500"


async def test_a_message_written_for_another_room_is_refused(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    await engine.step()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "x", inside={"room_id": "!other:bridge.test"}))
    with pytest.raises(NotAuthentic, match="another room"):
        await engine.read(event)
    assert await engine.rows("message_indexes") == []


async def test_a_key_opens_messages_of_its_own_room_only(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    await engine.step()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    with pytest.raises(KeyMissing):
        await engine.read(alice.event("!other:bridge.test", "$1", alice.encrypt(ROOM, "x")))


ODD_PLAINTEXT: list[tuple[str, dict[str, Any]]] = [
    ("no type", {"type": None}),
    ("content of a wrong kind", {"content": "text"}),
    ("no room", {"room_id": None}),
]


async def test_a_malformed_plaintext_is_refused(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    await engine.step()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    for name, inside in ODD_PLAINTEXT:
        with pytest.raises(NotAuthentic):
            await engine.read(alice.event(ROOM, name, alice.encrypt(ROOM, "x", inside=inside)))


ODD_CONTENT: list[tuple[str, Any]] = [
    ("no content", {}),
    ("content of a wrong kind", []),
    ("another algorithm", {"algorithm": "m.olm.v1.curve25519-aes-sha2"}),
    ("no session id", {"session_id": None}),
    ("a session id with a NUL", {"session_id": "\0"}),
    ("a session id with half a character", {"session_id": "\ud800"}),
    ("no ciphertext", {"ciphertext": None}),
    ("a ciphertext of a wrong kind", {"ciphertext": 5}),
    ("a short ciphertext", {"ciphertext": "AwA"}),
    ("a ciphertext with half a character", {"ciphertext": "\ud800"}),
]


async def test_a_malformed_event_is_refused(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    await engine.step()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    for name, changed in ODD_CONTENT:
        content = alice.encrypt(ROOM, "x")
        event = alice.event(ROOM, name, {**content, **changed} if changed else changed)
        with pytest.raises(NotAuthentic):
            await engine.read(event)


async def test_an_altered_ciphertext_is_refused(engine: Engine, join: MakeParty) -> None:
    alice = await join("alice")
    await engine.step()
    await alice.send_room_key(BOT, ROOM)
    await engine.step()
    content = alice.encrypt(ROOM, "pay 500")
    raw = bytearray(base64.b64decode(content["ciphertext"] + "==="))
    for place in (10, len(raw) // 2, len(raw) - 1):
        altered = bytearray(raw)
        altered[place] ^= 1
        broken = {**content, "ciphertext": base64.b64encode(altered).decode().rstrip("=")}
        with pytest.raises((NotAuthentic, KeyMissing)):
            await engine.read(alice.event(ROOM, "$1", broken))
    assert await text(engine, alice.event(ROOM, "$1", content)) == "pay 500"


async def test_shares_are_kept_as_long_as_their_session_and_used_indexes_for_ever(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    """Shares would grow with every session; without an index, a replay of the event that used it would be accepted."""
    alice = await join("alice")
    sessions = set()
    for number in range(3):
        await alice.send_room_key(BOT, ROOM)
        await engine.step()
        await engine.read(alice.event(ROOM, f"${number}", alice.encrypt(ROOM, "hello")))
        alice.outbound.clear()
        sessions.add((await engine.say("hello"))["content"]["session_id"])
        await engine.retire()
    assert len(sessions) == 3
    [live] = await engine.rows("outbound_sessions")
    assert {row["session_id"] for row in await engine.rows("session_shares")} == {live["session_id"]}
    assert len(await engine.rows("message_indexes")) == 3
