"""Signals of ghosts reach the homeserver, or are lost."""

from typing import Any

import pytest

from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from appservice.outbound.typing import MOST_WAITING
from bridge.core.ids import MessageId, ParticipantId
from bridge.delivery.dispatcher import Retry
from tests.appservice.signals.town import GHOST, ROOM, Town
from tests.bridge.conversations.features import TENANT, person
from tests.databases import both_databases


async def told_by(town: Town) -> list[tuple[Any, ...]]:
    await town.typing.step()
    told, town.homeserver.told = town.homeserver.told, []
    return told


@both_databases
async def test_a_ghost_types_and_stops_and_nobody_types_for_a_real_user(town: Town) -> None:
    here = town.reading.conversation.conversation_id
    chef, anna = await town.participant("chef"), await town.participant("anna")
    town.typing.typing(here, anna, is_typing=True)
    town.typing.typing(here, chef, is_typing=True)
    assert await told_by(town) == [("typing", GHOST, ROOM, 10_000)]
    town.typing.typing(here, chef, is_typing=False)
    assert await told_by(town) == [("typing", GHOST, ROOM, 0)]


async def test_a_ghost_that_has_said_it_types_no_more(town: Town) -> None:
    town.signals.on_change(town.typing.changed)
    here, chef = town.reading.conversation.conversation_id, await town.participant("chef")

    async def types() -> None:
        town.signals.typing.set(TENANT, here, chef.participant_id, is_typing=True)
        town.typing.typing(here, chef, is_typing=True)
        await town.typing.step()

    await types()
    town.clock.advance(9_000)
    await town.reading.say("chef")
    await town.typing.step()
    assert town.homeserver.told == [("typing", GHOST, ROOM, milliseconds) for milliseconds in (10_000, 0)]
    # What has ended by itself, the homeserver has ended, too; and of those with accounts, their clients tell.
    await types()
    town.clock.advance(10_000)
    town.signals.typing.lapse()
    town.signals.typing.set_in_clients(TENANT, here, [ParticipantId("anna")])
    town.signals.typing.set_in_clients(TENANT, here, [])
    await town.typing.step()
    assert town.homeserver.told[2:] == [("typing", GHOST, ROOM, 10_000)]


@pytest.mark.parametrize(("after", "times"), [(2_999, 0), (3_000, 1)])
async def test_who_goes_on_typing_is_told_of_now_and_then(town: Town, after: int, times: int) -> None:
    here, chef = town.reading.conversation.conversation_id, await town.participant("chef")
    town.typing.typing(here, chef, is_typing=True)
    assert len(await told_by(town)) == 1
    town.clock.advance(after)
    town.typing.typing(here, chef, is_typing=True)
    assert len(await told_by(town)) == times


async def test_only_the_last_word_is_told_and_not_when_it_is_old(town: Town) -> None:
    here, chef = town.reading.conversation.conversation_id, await town.participant("chef")
    for is_typing in (True, False, True, False):
        town.typing.typing(here, chef, is_typing=is_typing)
    assert await told_by(town) == [("typing", GHOST, ROOM, 0)]
    town.typing.typing(here, chef, is_typing=True)
    town.clock.advance(10_000)
    assert await told_by(town) == []


async def test_typing_that_the_homeserver_does_not_take_is_lost(town: Town) -> None:
    here, chef = town.reading.conversation.conversation_id, await town.participant("chef")
    town.homeserver.trouble = HomeserverUnavailable("away")
    town.typing.typing(here, chef, is_typing=True)
    assert await told_by(town) == []
    town.homeserver.trouble = None
    town.typing.typing(here, chef, is_typing=True)
    assert len(await told_by(town)) == 1


async def test_more_typing_than_there_is_room_for_is_dropped(town: Town) -> None:
    here = town.reading.conversation.conversation_id
    for number in range(MOST_WAITING + 5):
        town.typing.typing(here, person(f"p{number}", "P"), is_typing=True)
    assert len(town.typing._wanted) == MOST_WAITING


@both_databases
async def test_a_ghost_shows_what_was_read(town: Town) -> None:
    message = await town.reading.say("anna")
    await town.reading.say("chef")  # one's own needs no receipt
    await town.reading.read("chef")
    item = await town.item()
    await town.receipts.read(item)
    assert town.homeserver.told == [("read", GHOST, ROOM, f"${message}")]
    assert await town.reading.features.outbox.lanes() == await lanes_but_receipts(town)


async def lanes_but_receipts(town: Town) -> list[str]:
    return [lane for lane in await town.reading.features.outbox.lanes() if not lane.startswith("receipts:")]


async def test_only_the_newest_receipt_is_sent(town: Town) -> None:
    for _ in range(3):
        last = await town.reading.say("anna")
        await town.reading.read("chef", last)
    for _ in range(3):
        await town.receipts.read(await town.item())
    assert town.homeserver.told == [("read", GHOST, ROOM, f"${last}")]


async def test_nobody_sends_receipts_for_a_real_user(town: Town) -> None:
    await town.reading.say("chef")
    await town.reading.read("anna")
    await town.receipts.read(await town.item())
    assert town.homeserver.told == []


@both_databases
async def test_a_receipt_waits_for_what_is_on_its_way(town: Town) -> None:
    said = await town.reading.say("anna")
    waiting = await town.reading.say("ben", sent=False)
    await town.reading.read("chef")
    item = await town.item()
    with pytest.raises(Retry):
        await town.receipts.read(item)
    await town.reading.sent(MessageId(waiting))
    await town.receipts.read(item)
    assert [call[-1] for call in town.homeserver.told] == [f"${said}", f"${waiting}"]


async def test_a_receipt_outlasts_an_outage_and_is_worth_no_dead_letter(town: Town) -> None:
    await town.reading.say("anna")
    await town.reading.read("chef")
    item = await town.item()
    town.homeserver.trouble = HomeserverUnavailable("away", retry_after=1_000)
    with pytest.raises(Retry):
        await town.receipts.read(item)
    assert (await town.item()).id == item.id
    town.homeserver.trouble = HomeserverRefused(403, "M_FORBIDDEN", "")
    await town.receipts.read(item)
    assert await town.reading.features.outbox.lanes() == await lanes_but_receipts(town)
