"""A recap on its way to a first device: once, and to who can read it."""

import pytest

from appservice.homeserver import HomeserverUnavailable
from bridge.core.ids import ParticipantId
from bridge.delivery.dispatcher import Retry
from tests.appservice.encryption.engine import ROOM
from tests.appservice.encryption.party import Party
from tests.appservice.recaps.world import CHEF, WEEK, World
from tests.bridge.conversations.features import person
from tests.databases import both_databases
from tests.fakes.homeserver import Moment


@both_databases
async def test_the_first_device_gets_what_was_said_by_us_and_by_others(world: World) -> None:
    await world.say("by us")
    await world.hear("by her")
    world.clock.advance(WEEK)
    chef = await world.sign_in()
    await world.join()
    await world.work()
    text = await world.recap(chef)
    assert text.startswith("Chef, this was said before you could read here:")
    assert text.index("> by us") < text.index("> by her")
    assert await world.rows() == [("chef", "told")]


@both_databases
async def test_it_is_told_once_whatever_devices_come_and_go(world: World) -> None:
    await world.say("missed")
    await world.sign_in()
    await world.join()
    await world.work()
    before = len(world.homeserver.timeline(ROOM))
    await world.signs_out()
    await world.hear("missed by nobody's first device")
    await world.sign_in("LAPTOP")
    await world.engine.step()
    await world.join()
    await world.work()
    assert len(world.homeserver.timeline(ROOM)) == before
    assert await world.rows() == [("chef", "told")]


async def test_who_signs_in_but_does_not_come_is_not_told_yet(world: World) -> None:
    await world.say("missed")
    chef = await world.sign_in()
    await world.say("read, as an invited person's device gets keys")
    await world.hear("not read, as other clients do not know of the device")
    assert await world.head() is None
    await world.join()
    await world.work()
    read = [content["body"] for content in await world.read(chef)]
    assert read[0] == "Anna: read, as an invited person's device gets keys"
    assert len(read) == 2
    assert "> missed" in read[1]
    assert "> not read, as other clients" in read[1]
    assert "an invited person's" not in read[1]


async def test_what_waits_to_be_sent_is_not_missed(world: World) -> None:
    await world.say("missed")
    await world.post("in time")
    chef = await world.sign_in()
    await world.join()
    await world.work()
    read = [content["body"] for content in await world.read(chef)]
    assert read[0] == "Anna: in time"
    assert "> missed" in read[1]
    assert "> in time" not in read[1]


async def test_what_was_under_way_when_the_device_was_found_is_repeated(world: World) -> None:
    """It is encrypted already, and not for this device."""
    chef: list[Party] = []

    async def comes() -> None:
        chef.append(await world.sign_in())
        await world.join()

    await world.post("under way")
    world.homeserver.meanwhile("send_encrypted", comes, moment="before")
    await world.work()
    assert "> under way" in await world.recap(chef[0])


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("restarted", [True, False])
async def test_a_recap_whose_answer_was_lost_is_told_once(
    world: World, moment: Moment, restarted: bool
) -> None:
    await world.say("missed")
    chef = await world.sign_in()
    await world.join()
    world.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await world.work()
    if restarted:
        await world.restart()
    await world.work()
    assert "> missed" in await world.recap(chef)


async def test_a_recap_waits_for_a_device_if_the_first_is_gone_again(world: World) -> None:
    await world.say("missed")
    await world.sign_in()
    await world.join()
    await world.signs_out()
    before = len(world.homeserver.timeline(ROOM))
    await world.work()
    assert len(world.homeserver.timeline(ROOM)) == before
    assert await world.rows() == [("chef", "away")]
    await world.say("missed, too")  # the conversation goes on
    laptop = await world.sign_in("LAPTOP")
    await world.engine.step()
    await world.work()
    text = await world.recap(laptop)
    assert "> missed\n" in text
    assert "> missed, too" in text


@both_databases
async def test_a_recap_waits_for_a_device_that_cannot_be_given_a_key(world: World) -> None:
    await world.say("missed")
    chef = await world.sign_in(one_time_keys=0)
    await world.join()
    before = len(world.homeserver.timeline(ROOM))
    await world.work()
    assert len(world.homeserver.timeline(ROOM)) == before
    assert await world.rows() == [("chef", "away")]
    await chef.publish_one_time_keys(5)
    held = await world.head("recap-held")
    assert held is not None
    with pytest.raises(Retry) as later:
        await world.handle(held)
    assert later.value.delay == 60_000
    await world.features.outbox.retry(held, delay=0, failure="")
    held = await world.head("recap-held")
    assert held is not None
    await world.handle(held)
    await world.ask()
    await world.work()
    assert "> missed" in await world.recap(chef)


async def test_a_device_that_is_not_entitled_to_keys_is_none(world: World) -> None:
    await world.sign_in()
    await world.say("read by the signed one")  # their master key is known now
    await world.signs_out()
    await world.becomes(CHEF, "leave", sender=CHEF)
    assert await world.rows() == []
    await world.features.open(hosts=[], vendor=person("chef", "Chef", mxid=CHEF))
    async with world.database.transaction() as tx:
        chef = person("chef", "Chef", mxid=CHEF)
        await world.readers.to_be_invited(tx, world.conversation, chef, asked_at=world.clock.now())
    await world.becomes(CHEF, "invite")
    await world.say("missed")
    unsigned = await Party(world.homeserver, CHEF, "UNSIGNED").publish()
    await world.join()
    await world.work()
    assert await world.read(unsigned) == []
    assert await world.rows() == [("chef", "away")]
    unsigned.sign_with(world.identity)
    await world.engine.step()
    await world.work()
    assert "> missed" in await world.recap(unsigned)


async def test_whose_server_is_away_counts_as_without_a_device(world: World) -> None:
    chef = await world.sign_in()
    await world.becomes(CHEF, "leave", sender=CHEF)
    async with world.database.transaction() as tx:
        await tx.execute("DELETE FROM devices WHERE user_id = $1", CHEF)
    world.homeserver.down = {"vendor.test"}
    async with world.database.transaction() as tx:
        await world.features.conversations.came(tx, world.conversation.conversation_id, ParticipantId("chef"))
        vendor = person("chef", "Chef", mxid=CHEF)
        await world.readers.to_be_invited(tx, world.conversation, vendor, asked_at=world.clock.now())
    await world.becomes(CHEF, "invite")
    await world.say("missed")
    assert await world.rows() == [("chef", "away")]
    world.homeserver.down = set()
    await world.join()
    await world.work()
    assert "> missed" in await world.recap(chef)


async def test_who_has_a_device_when_invited_gets_none(world: World) -> None:
    assert await world.rows() == [("chef", "away")]
    await world.becomes(CHEF, "leave", sender=CHEF)
    await world.sign_in()
    async with world.database.transaction() as tx:
        chef = person("chef", "Chef", mxid=CHEF)
        await world.readers.to_be_invited(tx, world.conversation, chef, asked_at=world.clock.now())
    await world.becomes(CHEF, "invite")
    await world.say("read")
    await world.join()
    await world.work()
    assert await world.rows() == [("chef", "present")]


async def test_who_loses_their_only_device_gets_a_recap_with_the_next(world: World) -> None:
    await world.sign_in()
    await world.join()
    await world.work()
    assert await world.rows() == [("chef", "present")], "nothing had been said"
    await world.signs_out()
    assert await world.rows() == [("chef", "away")]
    await world.say("missed")
    laptop = await world.sign_in("LAPTOP")
    await world.engine.step()
    await world.work()
    assert "> missed" in await world.recap(laptop)


@both_databases
async def test_who_leaves_before_the_recap_gets_none(world: World) -> None:
    await world.say("missed")
    chef = await world.sign_in()
    await world.join()
    await world.becomes(CHEF, "leave", sender=CHEF)
    await world.work()
    assert await world.read(chef) == []
    assert await world.rows() == []
