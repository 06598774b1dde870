"""In the middle of a share: who comes and leaves meanwhile, and what goes before what."""

import pytest

from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, ROOM, Engine, session_of
from tests.appservice.encryption.party import Identity, Party
from tests.fakes.homeserver import Action, FakeHomeserver


@pytest.mark.parametrize("sender", [BOT, GHOST])
@pytest.mark.parametrize("call", ["members", "query_keys", "claim_keys", "send_to_device"])
async def test_who_leaves_while_the_key_is_shared_does_not_get_the_key_that_is_used(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty, call: str, sender: str
) -> None:
    alice, bob = await join("alice"), await join("bob")
    homeserver.set_membership(ROOM, GHOST, "join")

    async def bob_leaves() -> None:
        homeserver.set_membership(ROOM, bob.user, "leave")
        await engine.members_changed()

    homeserver.meanwhile(call, bob_leaves)
    event = await engine.say("not for bob", sender=sender)
    await alice.sync()
    await bob.sync()
    assert (alice.reads(event), bob.reads(event)) == (True, False)


def no_longer_bobs_device(engine: Engine, homeserver: FakeHomeserver, bob: Party) -> Action:
    async def action() -> None:
        homeserver.delete_device(bob.user, bob.device)
        await engine.restarted().step()

    return action


def no_longer_bobs_identity(engine: Engine, homeserver: FakeHomeserver, bob: Party) -> Action:
    async def action() -> None:
        await Identity(bob.user).publish(homeserver, bob.device)
        await engine.restarted().step()

    return action


@pytest.mark.parametrize("sender", [BOT, GHOST])
@pytest.mark.parametrize("call", ["claim_keys", "send_to_device"])
@pytest.mark.parametrize("change", [no_longer_bobs_device, no_longer_bobs_identity])
async def test_a_device_that_loses_its_right_while_the_key_is_shared_cannot_read_the_message(
    engine: Engine,
    homeserver: FakeHomeserver,
    join: MakeParty,
    call: str,
    sender: str,
    change: object,
) -> None:
    alice, bob = await join("alice"), await join("bob")
    homeserver.set_membership(ROOM, GHOST, "join")
    await engine.step()
    assert callable(change)
    homeserver.meanwhile(call, change(engine, homeserver, bob))
    event = await engine.say("not for bob's device", sender=sender)
    await alice.sync()
    if bob.device in homeserver.users[bob.user].devices:
        await bob.sync()
        assert not bob.reads(event)
    assert alice.reads(event)
    shared = {
        (row["user_id"], row["outcome"])
        for row in await engine.rows("session_shares")
        if row["session_id"] == session_of(event)
    }
    assert (bob.user, "shared") not in shared


async def test_who_comes_while_the_key_is_shared_reads_too(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    await join("alice")
    late: list[Party] = []

    async def bob_comes() -> None:
        late.append(await join("bob"))

    homeserver.meanwhile("send_to_device", bob_comes)
    event = await engine.say("hello")
    await late[0].sync()
    assert late[0].reads(event)


async def test_no_event_goes_before_the_homeserver_has_taken_its_keys(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.write("letter", "hello")
    for moment in ("before", "after"):
        homeserver.fail("send_to_device", TimeoutError(), moment=moment)
        with pytest.raises(TimeoutError):
            await engine.restarted().deliver("letter")
        assert homeserver.timeline(ROOM) == []
        assert len(await engine.rows("to_device")) == 1
    await engine.restarted().deliver("letter")
    assert len(homeserver.inbox(alice.user, alice.device)) == 1, "the repeat is no second message"
    await alice.sync()
    assert alice.reads(homeserver.timeline(ROOM)[-1])
    assert await engine.rows("to_device") == []


async def test_a_ghost_uses_a_new_olm_session_for_every_key(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    homeserver.set_membership(ROOM, GHOST, "join")
    for number in range(3):
        event = await engine.say(str(number), sender=GHOST)
        await alice.sync()
        assert alice.reads(event)
        await engine.retire()
    assert len(homeserver.claimed) == 3
    assert await engine.rows("olm_sessions") == []


async def test_the_bot_goes_on_in_the_olm_session_that_it_has(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    for number in range(3):
        event = await engine.restarted().say(str(number))
        await alice.sync()
        assert alice.reads(event)
        await engine.retire()
    assert len(homeserver.claimed) == 1
