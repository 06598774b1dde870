"""The devices of the bot and the ghosts: cross-signed before anybody sees them, and always in keys that open."""

from contextlib import suppress
from typing import Any

import pytest

from bridge.core.clock import FrozenClock
from bridge.storage.database import Database
from tests.appservice.encryption.engine import BOT, GHOST, ROOM, Engine, WatchedDatabase
from tests.appservice.encryption.party import Party
from tests.fakes.homeserver import OTK, FakeHomeserver, Json, Moment, is_signed


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def watched(database: Database) -> WatchedDatabase:
    return WatchedDatabase(database)


@pytest.fixture
async def alone(watched: WatchedDatabase, homeserver: FakeHomeserver, clock: FrozenClock) -> Engine:
    """A bridge that has never run."""
    homeserver.add_room(ROOM, {BOT: "join"})
    engine = Engine(watched, homeserver, clock)
    await engine.add_room()
    return engine


def only_device(homeserver: FakeHomeserver, user: str) -> Any:
    [device] = homeserver.users[user].devices.values()
    return device


def one_time_keys(homeserver: FakeHomeserver) -> dict[str, Json]:
    keys: dict[str, Json] = dict(only_device(homeserver, BOT).one_time_keys)
    return keys


async def writes_to_bot(homeserver: FakeHomeserver, name: str) -> Party:
    """Somebody sends the bot a room key in a session begun with a claimed key."""
    party = await Party(homeserver, f"@{name}:people.test", "PHONE").publish(one_time_keys=0)
    await party.send_room_key(BOT, ROOM)
    return party


async def opened(engine: Engine, party: Party) -> bool:
    return party.user in {row["sender"] for row in await engine.rows("inbound_sessions")}


@pytest.mark.parametrize("user", [BOT, GHOST])
async def test_device_keys_arrive_cross_signed_and_the_identity_before_them(
    alone: Engine, homeserver: FakeHomeserver, user: str
) -> None:
    device_id = await alone.own_devices.ensure(user)
    calls = [(call, about) for call, who, about in homeserver.log if who == user]
    assert [call for call, _ in calls] == [
        "query_keys",
        "create_device",
        "upload_cross_signing",
        "upload_keys",
    ]
    keys, identity = calls[3][1]["device_keys"], calls[2][1]
    [(key_id, public_key)] = identity["self_signing_key"]["keys"].items()
    assert is_signed(keys, user, key_id, public_key)
    assert keys["device_id"] == device_id
    await alone.restarted().own_devices.ensure(user)
    assert len(homeserver.log) == 4, "once is enough"


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["create_device", "upload_cross_signing", "upload_keys"])
async def test_an_interrupted_publication_is_completed_with_the_same_device(
    alone: Engine, homeserver: FakeHomeserver, call: str, moment: Moment
) -> None:
    homeserver.fail(call, TimeoutError(), moment=moment)
    with pytest.raises(TimeoutError):
        await alone.own_devices.ensure(BOT)
    device_id = await alone.restarted().own_devices.ensure(BOT)
    assert list(homeserver.users[BOT].devices) == [device_id]
    uploads = [body for _, body in homeserver.calls("upload_keys")]
    assert all(len(body["device_keys"]["signatures"][BOT]) == 2 for body in uploads)


async def test_a_ghost_has_neither_one_time_nor_fallback_keys(
    alone: Engine, homeserver: FakeHomeserver
) -> None:
    homeserver.set_membership(ROOM, GHOST, "join")
    await alone.say("hello", sender=GHOST)
    device = only_device(homeserver, GHOST)
    assert (device.one_time_keys, device.fallback_key) == ({}, None)


async def test_after_the_database_is_lost_the_identity_is_the_same_and_the_device_another(
    alone: Engine, homeserver: FakeHomeserver
) -> None:
    await alone.own_devices.ensure(BOT)
    master, old = homeserver.users[BOT].master, set(homeserver.users[BOT].devices)
    async with alone.database.transaction() as tx:
        await tx.execute("DELETE FROM own_devices")
    new = await alone.restarted().own_devices.ensure(BOT)
    assert homeserver.users[BOT].master == master
    assert new not in old


async def test_the_homeserver_is_kept_in_one_time_keys_and_an_unused_fallback_key(
    alone: Engine, homeserver: FakeHomeserver
) -> None:
    await alone.step()
    assert len(one_time_keys(homeserver)) == 50
    assert only_device(homeserver, BOT).fallback_key is not None
    uploads = len(homeserver.calls("upload_keys"))
    await alone.restarted().step()
    assert len(homeserver.calls("upload_keys")) == uploads, "nothing is missing"
    device = only_device(homeserver, BOT)
    for number, key_id in enumerate(list(device.one_time_keys)):
        if number < 30:
            del device.one_time_keys[key_id]
    await alone.restarted().step()
    assert len(one_time_keys(homeserver)) == 50


async def test_a_used_fallback_key_is_replaced_and_still_opens(
    alone: Engine, homeserver: FakeHomeserver
) -> None:
    await alone.step()
    device = only_device(homeserver, BOT)
    device.one_time_keys.clear()
    first = device.fallback_key
    early = await writes_to_bot(homeserver, "early")
    await early.session_with(BOT)
    inbox, device.inbox = device.inbox, []
    await alone.restarted().step()
    assert device.fallback_key != first
    assert not device.fallback_used
    device.inbox = [(homeserver._stream + 1, event) for _, event in inbox]
    homeserver._stream += 1
    await alone.restarted().step()
    assert await opened(alone, early)
    device.one_time_keys.clear()
    late = await writes_to_bot(homeserver, "late")
    await alone.restarted().step()
    assert await opened(alone, late)


async def test_a_device_of_the_bot_is_never_seen_without_one_time_keys(
    alone: Engine, homeserver: FakeHomeserver
) -> None:
    """Else whoever learns of it and begins a Megolm session at once could not give it the key."""
    without_keys: list[bool] = []

    def look(call: str, when: str) -> None:
        if BOT in homeserver.users:
            devices = homeserver.users[BOT].devices.values()
            without_keys.extend(not device.one_time_keys for device in devices if device.keys is not None)

    homeserver.on_moment = look
    former = await alone.own_devices.ensure(BOT)
    await alone.own_devices.replace(BOT, former=former, reason="a test")
    assert await alone.own_devices.ensure(BOT) != former
    assert without_keys
    assert not any(without_keys)
    assert only_device(homeserver, BOT).fallback_key is not None
    uploads = len(homeserver.calls("upload_keys"))
    await alone.step()
    assert len(homeserver.calls("upload_keys")) == uploads, "and none comes twice"


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_keys_that_were_not_seen_to_arrive_are_uploaded_again_and_open(
    alone: Engine, homeserver: FakeHomeserver, moment: Moment, *, first: bool
) -> None:
    """`first`: with the device."""
    if not first:
        await alone.step()
        only_device(homeserver, BOT).one_time_keys.clear()
    homeserver.fail("upload_keys", TimeoutError(), moment=moment)
    with pytest.raises(TimeoutError):
        await alone.step()
    before = one_time_keys(homeserver)
    assert bool(before) == (moment == "after")
    [row] = await alone.rows("own_devices")
    assert row["account"], "stored before they were uploaded"
    early = await writes_to_bot(homeserver, "early") if moment == "after" else None
    await alone.restarted().step()
    assert before.items() <= {**before, **one_time_keys(homeserver)}.items(), (
        "no other key under the same name"
    )
    late = await writes_to_bot(homeserver, "late")
    await alone.restarted().step()
    assert await opened(alone, late)
    assert early is None or await opened(alone, early)


async def test_every_key_that_was_ever_uploaded_opens_whatever_is_killed(
    alone: Engine, watched: WatchedDatabase, homeserver: FakeHomeserver
) -> None:
    """Ends a step at each of its moments, and has somebody claim a key then."""
    await alone.own_devices.ensure(BOT)
    writers: list[Party] = []
    for number in range(24):
        left = number // 2

        def moment(call: str, when: str) -> None:
            nonlocal left
            left -= 1
            if left == -1:
                raise Killed

        watched.on_moment = moment
        homeserver.on_moment = moment
        with suppress(Killed):
            await alone.restarted().step()
        watched.on_moment = lambda call, when: None
        homeserver.on_moment = lambda call, when: None
        device = only_device(homeserver, BOT)
        for key_id in list(device.one_time_keys)[20:]:
            del device.one_time_keys[key_id]  # claimed by people who never wrote
        if device.one_time_keys:
            writers.append(await writes_to_bot(homeserver, f"p{number}"))
    await alone.restarted().step()
    assert len(writers) >= 10
    assert [party.user for party in writers if not await opened(alone, party)] == []


async def test_one_time_keys_are_signed_by_the_device(alone: Engine, homeserver: FakeHomeserver) -> None:
    await alone.step()
    device = only_device(homeserver, BOT)
    [device_id] = homeserver.users[BOT].devices
    signing_key = device.keys["keys"][f"ed25519:{device_id}"]
    for key_id, key in one_time_keys(homeserver).items():
        assert key_id.startswith(f"{OTK}:")
        assert is_signed(key, BOT, f"ed25519:{device_id}", signing_key)


async def test_who_asks_for_ids_and_public_key_does_not_open_the_account(alone: Engine) -> None:
    device_id = await alone.own_devices.ensure(BOT)
    known = await alone.own_devices.get(alone.database, BOT)
    async with alone.database.transaction() as tx:
        await tx.execute("UPDATE own_devices SET account = 'unreadable' WHERE user_id = $1", BOT)
    assert await alone.own_devices.ensure(BOT) == device_id
    unopened = await alone.own_devices.get(alone.database, BOT)
    assert known is not None
    assert unopened is not None
    assert unopened.identity_key == known.account.curve25519_key.to_base64()
