"""Pins: by the API into the room's list, and out of it as clients change it."""

from typing import Any

import pytest

from appservice.homeserver import HomeserverUnavailable
from bridge.core.ids import MessageId
from bridge.delivery.dispatcher import Retry
from bridge.messages.pins.store import PinStore
from tests.appservice.changes.room import Conversation
from tests.appservice.changes.test_from_our_side import MOMENTS
from tests.appservice.changes.test_in_clients import said
from tests.appservice.encryption.engine import BOT
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import TALK
from tests.databases import both_databases
from tests.fakes.homeserver import Moment


async def pin(talk: Conversation, message_id: MessageId) -> None:
    message = await talk.message(message_id)
    async with talk.engine.database.transaction() as tx:
        await talk.features.pins.pin(tx, message)


async def unpin(talk: Conversation, message_id: MessageId) -> None:
    message = await talk.message(message_id)
    async with talk.engine.database.transaction() as tx:
        await talk.features.pins.unpin(tx, message)


async def pinned(talk: Conversation) -> list[MessageId]:
    return await PinStore().of(talk.engine.database, talk.conversation.conversation_id)


async def shown(talk: Conversation) -> list[str]:
    return await talk.homeserver.pinned(BOT, TALK)


@both_databases
async def test_what_is_pinned_here_the_room_shows(talk: Conversation, anna: Party) -> None:
    one, two = await talk.post("1"), await talk.post("2")
    await pin(talk, two)
    await pin(talk, one)
    await talk.go_out()
    first, second = (event["event_id"] for event in talk.in_room())
    assert await shown(talk) == [second, first]
    await unpin(talk, two)
    await talk.go_out()
    assert await shown(talk) == [first]
    await talk.delete(one)
    await unpin(talk, one)
    await talk.go_out()
    assert await shown(talk) == []
    assert [user for user, _ in talk.homeserver.calls("pin")] == [BOT] * 3  # two at once, then each


async def test_what_only_clients_know_stays_pinned(talk: Conversation, anna: Party) -> None:
    talk.homeserver.set_pinned(TALK, ["$card"])
    await pin(talk, await talk.post("1"))
    await talk.go_out()
    (event,) = talk.in_room()
    assert await shown(talk) == ["$card", event["event_id"]]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_list_whose_answer_was_lost_is_written_as_it_is_by_then(
    talk: Conversation, anna: Party, moment: Moment
) -> None:
    one, two = await talk.post("1"), await talk.post("2")
    await talk.go_out()
    await pin(talk, one)
    talk.homeserver.fail("pin", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await talk.go_out()
    await unpin(talk, one)
    await pin(talk, two)
    await talk.go_out()
    assert await shown(talk) == [talk.in_room()[1]["event_id"]]


@both_databases
async def test_what_a_client_pins_is_pinned_here(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    await said(talk, anna, "Vegetarian?", "$2")
    one, two = (message.message_id for message in await talk.features.history(talk.conversation))
    await talk.deliver(talk.pinning("$p1", ["$2", "$1", "$x"]))
    assert await pinned(talk) == [two, one]
    await talk.deliver(talk.pinning("$p2", ["$1"], before=["$2", "$1", "$x"]))
    assert await pinned(talk) == [one]


async def test_the_room_and_we_agree_after_changes_on_both_sides(talk: Conversation, anna: Party) -> None:
    """A client that had not seen ours yet has written its list over it."""
    await said(talk, anna)
    ours = await talk.post("ours")
    await pin(talk, ours)
    await talk.go_out()
    (event,) = talk.in_room()
    talk.homeserver.set_pinned(TALK, ["$1"])
    await talk.deliver(talk.pinning("$p", ["$1"], before=[]))
    await talk.go_out()
    assert await shown(talk) == ["$1", event["event_id"]]
    assert len(await pinned(talk)) == 2


async def test_our_own_lists_change_nothing_when_they_come_back(talk: Conversation, anna: Party) -> None:
    await said(talk, anna)
    (message,) = await talk.features.history(talk.conversation)
    await pin(talk, message.message_id)
    await talk.deliver(talk.pinning("$p", [], before=["$1"], sender=BOT))
    assert await pinned(talk) == [message.message_id]


@pytest.mark.parametrize("nonsense", [None, 5, "$1", [5, None, "hello", "$\0"], {"$1": 1}])
async def test_a_list_that_is_none_changes_nothing(talk: Conversation, anna: Party, nonsense: Any) -> None:
    await said(talk, anna)
    before = await talk.features.everything()
    await talk.deliver(talk.pinning("$p", nonsense))
    assert await talk.features.everything() == before
    assert (await talk.state_of("$p"), await talk.dead()) == ("done", [])


async def test_what_is_just_being_sent_may_be_pinned_already(talk: Conversation, anna: Party) -> None:
    message_id = await talk.post("Hello!")
    talk.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment="after")
    with pytest.raises(Retry):
        await talk.go_out()
    (hello,) = talk.in_room()
    with pytest.raises(Retry):
        await talk.deliver(talk.pinning("$p", [hello["event_id"]]))
    await talk.go_out()
    await talk.work_off()
    assert await pinned(talk) == [message_id]
