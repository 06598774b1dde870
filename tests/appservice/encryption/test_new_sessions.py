"""When a new session begins, and who reads nothing of it."""

from datetime import timedelta

from bridge.core.clock import FrozenClock
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, OTHER_GHOST, ROOM, Engine, session_of
from tests.appservice.encryption.party import Party
from tests.fakes.homeserver import FakeHomeserver


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
