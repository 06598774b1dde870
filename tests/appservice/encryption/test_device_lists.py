"""Other people's devices: the newest state wins, whatever order the answers come in and whatever they say."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from appservice.encryption.device_lists import accept_identity
from appservice.encryption.sharing import KnownIdentity
from bridge.core.clock import FrozenClock
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, ROOM, Engine
from tests.appservice.encryption.party import Identity, Party
from tests.appservice.encryption.test_device_keys import JSON, SECTIONS
from tests.databases import quick_database
from tests.fakes.homeserver import FakeHomeserver

ALICE = "@alice:people.test"


async def known(engine: Engine, user: str = ALICE) -> set[str]:
    return {device.device_id for device in await engine.device_lists.devices(engine.database, user)}


async def bots_device(engine: Engine) -> str:
    return await engine.own_devices.ensure(BOT)


async def tracked(engine: Engine, user: str = ALICE) -> None:
    async with engine.database.transaction() as tx:
        await engine.device_lists.track(tx, [user])


async def stale(engine: Engine, user: str = ALICE) -> None:
    async with engine.database.transaction() as tx:
        await engine.device_lists.mark_stale(tx, [user])


async def is_fresh(engine: Engine, user: str = ALICE) -> bool:
    return await engine.device_lists.is_fresh(engine.database, user)


async def test_two_queries_at_once_never_leave_the_older_answer_as_fresh(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    """The first answer is held up; a change and a second query (of another process) come in between."""
    await Party(homeserver, ALICE, "OLD").publish()
    await tracked(engine)
    bot, other = await bots_device(engine), engine.restarted()

    async def change_and_second_query() -> None:
        homeserver.delete_device(ALICE, "OLD")
        await Party(homeserver, ALICE, "NEW").publish()
        await stale(other)
        await other.device_lists.refresh(BOT, bot, [ALICE])
        assert (await known(other), await is_fresh(other)) == ({"NEW"}, True)

    homeserver.meanwhile("query_keys", change_and_second_query)
    await engine.device_lists.refresh(BOT, bot, [ALICE])
    assert await known(engine) == {"NEW"}


async def test_an_answer_older_than_a_change_is_not_taken_for_the_newest(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    await Party(homeserver, ALICE, "OLD").publish()
    await tracked(engine)
    bot = await bots_device(engine)

    async def change() -> None:
        await Party(homeserver, ALICE, "NEW").publish()
        await stale(engine)

    homeserver.meanwhile("query_keys", change)
    await engine.device_lists.refresh(BOT, bot, [ALICE])
    assert not await is_fresh(engine)
    await engine.restarted().device_lists.refresh_stale(BOT, bot)
    assert (await known(engine), await is_fresh(engine)) == ({"OLD", "NEW"}, True)


async def test_queries_of_one_process_wait_for_each_other(engine: Engine, homeserver: FakeHomeserver) -> None:
    await Party(homeserver, ALICE, "OLD").publish()
    await tracked(engine)
    bot = await bots_device(engine)
    answered, may_answer = asyncio.Event(), asyncio.Event()

    async def held_up() -> None:
        answered.set()
        await may_answer.wait()

    homeserver.meanwhile("query_keys", held_up)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(engine.device_lists.refresh(BOT, bot, [ALICE]))
        await answered.wait()
        homeserver.delete_device(ALICE, "OLD")
        await Party(homeserver, ALICE, "NEW").publish()
        tasks.create_task(engine.device_lists.refresh(BOT, bot, [ALICE]))
        await asyncio.sleep(0)
        may_answer.set()
    assert await known(engine) == {"NEW"}


async def test_a_device_whose_keys_change_is_ignored(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice", signed=False)
    before = await engine.say("before")
    impostor = Party(homeserver, alice.user, alice.device)
    device = homeserver.users[alice.user].devices[alice.device]
    device.keys = impostor.device_keys()
    await stale(engine)
    await engine.step()
    [kept] = await engine.device_lists.devices(engine.database, alice.user)
    assert (kept.identity_key, kept.signing_key) == (alice.identity_key, alice.signing_key)
    device.keys = alice.device_keys()
    after = await engine.say("after")
    await alice.sync()
    assert (alice.reads(before), alice.reads(after)) == (True, True)


async def test_a_device_id_that_returns_with_other_keys_is_a_new_device_and_the_old_one_said_what_it_said(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    old = await join("alice", signed=False)
    before = await engine.say("before")
    await old.sync()
    homeserver.delete_device(old.user, old.device)
    await engine.step()
    assert await known(engine) == set()
    new = await Party(homeserver, old.user, old.device).publish()
    await engine.step()
    [device] = await engine.device_lists.devices(engine.database, old.user)
    assert (device.identity_key, device.signing_key) == (new.identity_key, new.signing_key)
    for party in (old, new):
        assert await engine.device_lists.owns(
            engine.database, ALICE, identity_key=party.identity_key, signing_key=party.signing_key
        )
    assert not await engine.device_lists.owns(
        engine.database, ALICE, identity_key=old.identity_key, signing_key=new.signing_key
    )
    after = await engine.say("after")
    await new.sync()
    assert (old.reads(before), old.reads(after), new.reads(after)) == (True, False, True)


async def test_the_first_identity_is_remembered_and_later_ones_wait_to_be_accepted(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    bot, first, second = await bots_device(engine), Identity(ALICE), Identity(ALICE)
    phone = await Party(homeserver, ALICE, "PHONE").publish()
    await tracked(engine)

    async def identity() -> KnownIdentity:
        await engine.restarted().device_lists.refresh(BOT, bot, [ALICE])
        return await engine.device_lists.identity(engine.database, ALICE)

    assert await identity() == KnownIdentity(None, None)
    assert not await accept_identity(engine.database, ALICE), "there is none"
    await first.publish(homeserver, phone.device)
    assert await identity() == KnownIdentity(first.master_key, first.master_key)
    await second.publish(homeserver, phone.device)
    assert await identity() == KnownIdentity(first.master_key, second.master_key)
    homeserver.forget_identity(ALICE)
    assert await identity() == KnownIdentity(first.master_key, None)
    assert not await accept_identity(engine.database, ALICE), "nothing is no identity"
    await second.publish(homeserver, phone.device)
    await identity()
    assert await accept_identity(engine.database, ALICE)
    assert await identity() == KnownIdentity(second.master_key, second.master_key)


async def test_what_a_server_that_does_not_answer_said_before_still_counts(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    await Party(homeserver, ALICE, "PHONE").publish()
    await tracked(engine)
    bot = await bots_device(engine)
    assert await engine.device_lists.refresh(BOT, bot, [ALICE]) == set()
    await stale(engine)
    homeserver.down.add("people.test")
    assert await engine.device_lists.refresh(BOT, bot, [ALICE]) == {ALICE}
    assert (await known(engine), await is_fresh(engine)) == ({"PHONE"}, False)


async def test_who_is_not_tracked_stays_unknown(engine: Engine) -> None:
    await stale(engine)
    assert await engine.rows("tracked_users") == []
    assert not await is_fresh(engine)
    identity = await engine.device_lists.identity(engine.database, ALICE)
    assert identity == KnownIdentity(None, None)


async def test_a_change_told_by_sync_is_asked_about(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    phone = await join("alice")
    await engine.say("hello")
    await Party(homeserver, phone.user, "TABLET", phone.identity).publish()
    await engine.restarted().step()
    assert (await known(engine), await is_fresh(engine)) == ({"PHONE", "TABLET"}, True)


MALFORMED: list[Any] = [
    {},
    {"device_keys": None, "failures": None},
    {"device_keys": [], "failures": ["people.test"]},
    {"device_keys": {ALICE: None}},
    {"device_keys": {ALICE: {"PHONE": None}}},
    {"master_keys": {ALICE: {"keys": {}}}},
    {"failures": {"another.test": {}}},
]


async def test_a_malformed_answer_leaves_nobody_with_a_right(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    identity = Identity(ALICE)
    await Party(homeserver, ALICE, "PHONE", identity).publish()
    await tracked(engine)
    bot = await bots_device(engine)
    for answer in MALFORMED:
        homeserver.query_answer = None
        await engine.device_lists.refresh(BOT, bot, [ALICE])
        assert await known(engine) == {"PHONE"}
        homeserver.query_answer = answer
        await engine.device_lists.refresh(BOT, bot, [ALICE])
        assert await known(engine) == set(), answer
        kept = await engine.device_lists.identity(engine.database, ALICE)
        assert kept == KnownIdentity(identity.master_key, None)


@given(st.lists(st.dictionaries(st.sampled_from(SECTIONS), JSON), min_size=20, max_size=40))
@settings(max_examples=10, deadline=None)
def test_no_answer_of_random_json_raises_or_adds_a_device(answers: list[Any]) -> None:
    async def run() -> None:
        homeserver = FakeHomeserver()
        async with quick_database() as database:
            engine = Engine(database, homeserver, FrozenClock())
            homeserver.add_room(ROOM, {BOT: "join"})
            bot = await bots_device(engine)
            await tracked(engine)
            for answer in answers:
                homeserver.query_answer = answer
                await engine.device_lists.refresh(BOT, bot, [ALICE])
                assert await known(engine) == set()

    asyncio.run(run())


async def test_a_person_who_makes_a_first_device_while_invited_reads_what_comes_then(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    homeserver.set_membership(ROOM, ALICE, "invite")
    await engine.members_changed()
    await engine.say("nobody is there yet")
    phone = await Party(homeserver, ALICE, "PHONE").publish()  # which no /sync tells
    await engine.step()
    event = await engine.say("come in")
    await phone.sync()
    assert phone.reads(event)


async def test_a_person_who_makes_a_first_device_while_invited_reads_once_joined(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    homeserver.set_membership(ROOM, ALICE, "invite")
    await engine.members_changed()
    await engine.say("nobody is there yet")
    phone = await Party(homeserver, ALICE, "PHONE").publish()  # which no /sync tells
    homeserver.set_membership(ROOM, ALICE, "join")
    await engine.members_changed()
    await engine.step()
    event = await engine.say("welcome")
    await phone.sync()
    assert phone.reads(event)
