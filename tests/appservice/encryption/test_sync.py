"""The bot's /sync: what an answer brings and the position after it are one commit."""

import pytest

from bridge.core.clock import FrozenClock
from bridge.storage.database import Database
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, ROOM, Engine, WatchedDatabase
from tests.appservice.encryption.party import Party
from tests.fakes.homeserver import FakeHomeserver


class Killed(BaseException):
    """The process ends here."""


async def test_a_received_key_its_ratchet_and_the_position_are_one_commit(
    database: Database, homeserver: FakeHomeserver, clock: FrozenClock
) -> None:
    """A process that is killed at any commit has all of them or none, and the repeated answer does no harm."""
    watched = WatchedDatabase(database)
    engine = Engine(watched, homeserver, clock)
    homeserver.add_room(ROOM, {BOT: "join"})
    await engine.step()
    tables = ("own_devices", "olm_sessions", "inbound_sessions", "sync_positions")
    for number in range(12):
        party = await Party(homeserver, f"@p{number}:people.test", "PHONE").publish(one_time_keys=0)
        await party.send_room_key(BOT, ROOM)
        before = [await engine.rows(table) for table in tables]
        left = number

        def moment(call: str, when: str) -> None:
            nonlocal left
            left -= 1
            if left == -1:
                raise Killed

        watched.on_moment = moment
        try:
            await engine.restarted().step()
        except Killed:
            after = [await engine.rows(table) for table in tables]
            changed = [old != new for old, new in zip(before, after, strict=True)]
            assert changed[1:] in ([False] * 3, [True] * 3)
        watched.on_moment = lambda call, when: None
        await engine.restarted().step()
        event = party.event(ROOM, f"${number}", party.encrypt(ROOM, "hello"))
        assert (await engine.read(event)).content["body"] == "hello"


async def test_the_homeserver_forgets_a_message_only_after_it_is_kept(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    [device] = homeserver.users[BOT].devices
    homeserver.fail("sync", TimeoutError(), moment="after")
    with pytest.raises(TimeoutError):
        await engine.step()
    assert len(homeserver.inbox(BOT, device)) == 1
    await engine.step()
    assert len(await engine.rows("inbound_sessions")) == 1
    await engine.step()
    assert homeserver.inbox(BOT, device) == []


async def test_a_key_that_cannot_be_uploaded_now_does_not_lose_what_came(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await alice.send_room_key(BOT, ROOM)
    homeserver.users[BOT].devices[next(iter(homeserver.users[BOT].devices))].one_time_keys.clear()
    homeserver.fail("upload_keys", TimeoutError())
    with pytest.raises(TimeoutError):
        await engine.step()
    event = alice.event(ROOM, "$1", alice.encrypt(ROOM, "hello"))
    assert (await engine.read(event)).content["body"] == "hello"


async def test_other_to_device_messages_do_nothing(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    [device] = homeserver.users[BOT].devices
    tables = ("inbound_sessions", "session_shares", "to_device", "outbound_sessions", "devices")
    before = [await engine.rows(table) for table in tables]
    for event_type in (
        "m.room_key_request",
        "m.key.verification.request",
        "m.secret.request",
        "m.dummy",
        "x",
    ):
        homeserver.put_to_device(alice.user, BOT, device, event_type, {"action": "request"})
        await alice.send_olm(BOT, event_type, {"action": "request"})
    sent = len(homeserver.calls("send_to_device"))
    await engine.step()
    assert [await engine.rows(table) for table in tables] == before
    assert len(homeserver.calls("send_to_device")) == sent


async def test_that_few_keys_are_left_is_told_until_the_homeserver_has_others(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    await engine.step()
    assert engine.sync.scarcity() is None, "they were made before anybody could miss them"
    [device] = homeserver.users[BOT].devices.values()
    device.one_time_keys.clear()
    homeserver.fail("upload_keys", TimeoutError())
    with pytest.raises(TimeoutError):
        await engine.step()
    told = engine.sync.scarcity()
    assert told is not None
    assert told.startswith("0 one-time keys, a fallback key: ")
    await engine.step()
    assert engine.sync.scarcity() is None
    assert device.one_time_keys
