"""Homeservers that do not answer: nobody waits for them twice, and what their silence has cost is made up for."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from appservice.encryption.other_servers import ASK_AGAIN_AFTER, PATIENCE, OtherServers, all_of
from appservice.homeserver import HomeserverUnavailable
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, ROOM, Engine
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import TALK, Reader
from tests.e2e.test_first_path import eventually
from tests.fakes.homeserver import FakeHomeserver, Json
from tests.simulation.loop import SimulatedLoop

FAR = "far.test"


def in_virtual_time(story: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(story())  # type: ignore[arg-type]


def answers(answer: Json) -> Callable[[], Awaitable[Json]]:
    async def question() -> Json:
        return answer

    return question


FAILS = answers({"failures": {FAR: {}}})
KNOWS = answers({"failures": {}})


class Refused(Exception): ...


async def _refuse() -> int:
    raise Refused


async def _never(ended: list[str] | None = None) -> int:
    try:
        await asyncio.Event().wait()
    finally:
        if ended is not None:
            ended.append("ended")
    return 0


async def _fails_when_ended() -> int:
    try:
        return await _never()
    except asyncio.CancelledError:
        raise Refused from None


async def test_the_first_error_ends_what_is_asked_with_it_and_leaves_the_asker_as_they_were() -> None:
    ended: list[str] = []
    with pytest.raises(Refused):
        await all_of([_never(ended), _refuse(), _fails_when_ended()])
    assert ended == ["ended"]
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_who_is_told_to_end_while_they_ask_ends_whatever_fails_meanwhile() -> None:
    ended: list[str] = []
    asker = asyncio.create_task(all_of([_fails_when_ended(), _never(ended)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    assert ended == ["ended"]


def test_one_asks_now_and_then_whether_a_server_is_back() -> None:
    async def story() -> None:
        servers = OtherServers("bridge.test")
        back: list[str] = []
        servers.on_back(back.append)
        assert await servers.ask(FAR, servers.permit(FAR), FAILS) is not None
        assert (servers.is_away(FAR), servers.permit(FAR)) == (True, None)
        await asyncio.sleep(ASK_AGAIN_AFTER - 0.001)
        assert servers.permit(FAR) is None
        await asyncio.sleep(0.001)
        permit = servers.permit(FAR)
        assert (permit is not None, servers.permit(FAR)) == (True, None), "one"
        await servers.ask(FAR, permit, FAILS)
        await asyncio.sleep(ASK_AGAIN_AFTER)
        assert back == []
        assert await servers.ask(FAR, servers.permit(FAR), KNOWS) == {"failures": {}}
        assert (servers.is_away(FAR), back) == (False, [FAR])

    in_virtual_time(story)


def test_a_server_is_away_that_answers_nothing_for_long_and_so_for_all_who_stood_in_line() -> None:
    async def story() -> None:
        servers, asked = OtherServers("bridge.test"), 0

        async def never() -> Json:
            nonlocal asked
            asked += 1
            await asyncio.Event().wait()
            raise AssertionError

        began = asyncio.get_running_loop().time()
        permits = [servers.permit(FAR) for _ in range(20)]
        assert await servers.ask(FAR, permits[0], never) is None
        assert asyncio.get_running_loop().time() - began == PATIENCE
        for permit in permits[1:]:
            assert await servers.ask(FAR, permit, never) is None
        assert (asked, asyncio.get_running_loop().time() - began) == (1, PATIENCE)

    in_virtual_time(story)


def test_who_is_heard_of_is_asked_at_once() -> None:
    async def story() -> None:
        servers = OtherServers("bridge.test")
        told: list[str] = []
        servers.on_back(told.append)
        servers.heard(f"@chef:{FAR}")
        assert told == [], "it was never away"
        await servers.ask(FAR, servers.permit(FAR), FAILS)
        servers.heard("@chef:another.test")
        assert servers.permit(FAR) is None
        servers.heard(f"@chef:{FAR}")
        servers.heard(f"@cook:{FAR}")
        assert told == [FAR]
        assert await servers.ask(FAR, servers.permit(FAR), KNOWS) is not None
        assert not servers.is_away(FAR)

    in_virtual_time(story)


def test_the_silence_of_our_own_homeserver_is_the_callers() -> None:
    async def story() -> None:
        servers = OtherServers("bridge.test")

        async def unavailable() -> Json:
            raise HomeserverUnavailable("down")

        for _ in range(2):
            with pytest.raises(HomeserverUnavailable):
                await servers.ask("bridge.test", servers.permit("bridge.test"), unavailable)

    in_virtual_time(story)


# What that means for keys


@pytest.fixture
async def far(homeserver: FakeHomeserver, engine: Engine) -> Party:
    """In the room, and known."""
    party = await Party(homeserver, f"@chef:{FAR}", "PHONE").publish()
    homeserver.set_membership(ROOM, party.user, "join")
    await engine.members_changed()
    await engine.say("hello")
    return party


async def stale(engine: Engine, *users: str) -> None:
    async with engine.database.transaction() as tx:
        await engine.device_lists.mark_stale(tx, users)


async def test_whose_server_is_slow_holds_up_the_keys_of_nobody_else(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty, far: Party
) -> None:
    alice = await join("alice")
    await engine.say("hello again")
    homeserver.slow.add(FAR)
    await stale(engine, far.user, alice.user)
    running = asyncio.create_task(engine.device_lists.run(BOT, engine.own_devices.ensure))

    async def is_fresh() -> bool | None:
        return await engine.device_lists.is_fresh(engine.database, alice.user) or None

    try:
        await eventually(is_fresh, timeout=0.4)  # less than the patience with the other
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert not await engine.device_lists.is_fresh(engine.database, far.user)


async def test_a_message_waits_once_for_a_slow_server_and_the_next_ones_do_not(
    homeserver: FakeHomeserver, engine: Engine, join: MakeParty, far: Party
) -> None:
    alice = await join("alice")
    homeserver.set_membership(ROOM, GHOST, "join")
    homeserver.slow.add(FAR)
    patient = engine.restarted(ask_again_after=3600)
    await stale(patient, far.user)
    for text in ("one", "two", "three"):
        event = await patient.say(text, sender=GHOST if text == "three" else BOT)
        await alice.sync()
        assert alice.reads(event)
    asked = [users for _, users in homeserver.calls("query_keys") if far.user in users]
    claimed = [claims for _, claims in homeserver.calls("claim_keys") if far.user in claims]
    assert (len(asked), len(claimed)) == (2, 1), "before it was slow once each, and once in vain"


async def test_what_a_homeserver_keeps_of_a_server_that_is_down_counts(
    engine: Engine, homeserver: FakeHomeserver, far: Party
) -> None:
    """Its answer names the server as failed for another of its users."""
    other = f"@cook:{FAR}"
    async with engine.database.transaction() as tx:
        await engine.device_lists.want(tx, other)
    await stale(engine, far.user)
    homeserver.query_answer = {
        "device_keys": {far.user: {far.device: far.device_keys()}},
        "failures": {FAR: {}},
    }
    device = await engine.own_devices.ensure(BOT)
    assert await engine.device_lists.refresh(BOT, device, [far.user, other]) == {other}
    assert await engine.device_lists.is_fresh(engine.database, far.user)
    [kept] = await engine.device_lists.devices(engine.database, far.user)
    assert kept.device_id == far.device


async def test_keys_that_a_servers_silence_withheld_come_when_it_is_back_though_nobody_speaks(
    engine: Engine, homeserver: FakeHomeserver, far: Party
) -> None:
    """A ghost's first words, which need a one-time key; and of a session of the bot's that has ended meanwhile."""
    homeserver.set_membership(ROOM, GHOST, "join")
    homeserver.down.add(FAR)
    events = [await engine.say(text, sender=GHOST) for text in ("one", "two")]
    await engine.retire()
    events.append(await engine.say("three", sender=GHOST))
    sent = len(homeserver.timeline(ROOM))
    await far.sync()
    assert not any(far.reads(event) for event in events)
    await engine.owed_keys.step()
    await far.sync()
    assert not any(far.reads(event) for event in events)

    homeserver.down.clear()
    await engine.owed_keys.step()
    await far.sync()
    assert [far.reads(event) for event in events] == [True, True, True]
    assert len(homeserver.timeline(ROOM)) == sent
    given = len(homeserver.calls("send_to_device"))
    await engine.owed_keys.step(try_all=True)
    assert len(homeserver.calls("send_to_device")) == given, "once"
    assert await engine.rows("owed_keys") == []


async def test_after_a_restart_what_is_owed_is_tried_whoever_was_away(
    engine: Engine, homeserver: FakeHomeserver, far: Party
) -> None:
    homeserver.set_membership(ROOM, GHOST, "join")
    homeserver.down.add(FAR)
    event = await engine.say("one", sender=GHOST)
    homeserver.down.clear()
    again = engine.restarted()
    running = asyncio.create_task(again.owed_keys.run())

    async def reads() -> bool | None:
        await far.sync()
        return far.reads(event) or None

    try:
        await eventually(reads)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_device_without_keys_of_a_server_that_answers_is_not_asked_all_the_time(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    await join("bob", one_time_keys=0)
    await engine.say("one")
    claims = len(homeserver.calls("claim_keys"))
    await engine.owed_keys.step()
    assert len(homeserver.calls("claim_keys")) == claims


CHEF = f"@chef:{FAR}"
SIGNS: list[tuple[Json, bool]] = [
    ({"type": "m.typing", "room_id": ROOM, "content": {"user_ids": [CHEF]}}, True),
    ({"type": "m.receipt", "room_id": ROOM, "content": {"$1": {"m.read": {CHEF: {"ts": 1}}}}}, True),
    ({"type": "m.presence", "sender": CHEF, "content": {"presence": "online"}}, True),
    # Our homeserver says so of those whom it has not heard of for long.
    ({"type": "m.presence", "sender": CHEF, "content": {"presence": "offline"}}, False),
]


@pytest.mark.parametrize(("sign", "tells"), SIGNS)
async def test_whoever_shows_that_they_are_there_shows_that_their_server_is(
    engine: Engine, sign: Json, tells: bool
) -> None:
    parts = Reader(engine).parts
    servers = parts.encryption.servers
    await servers.ask(FAR, servers.permit(FAR), FAILS)
    parts._inbound.signals.offer([sign])
    assert (servers.permit(FAR) is not None) == tells


async def test_what_somebody_says_shows_that_their_server_is_there(engine: Engine) -> None:
    reader = await Reader(engine).opened()
    servers = reader.parts.encryption.servers
    await servers.ask(FAR, servers.permit(FAR), FAILS)
    topic = {"type": "m.room.topic", "state_key": "", "content": {}, "sender": CHEF}
    await reader.deliver(topic | {"event_id": "$topic", "room_id": TALK})
    assert servers.permit(FAR) is not None
