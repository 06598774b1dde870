"""What a person's notifications tell: what looks different to them now, and nothing of what was said."""

import json

from bridge.core.ids import ParticipantId
from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, opened, said
from tests.bridge.sockets.client import Client, Crowd, LiveWorld
from tests.bridge.sockets.test_commands import delivered, have_it
from tests.bridge.sockets.test_sockets import USER, conversation_of, heard

CHEF = "/ws/notifications/v-1"


async def told(client: Client) -> tuple[str, int]:
    """The next of what happened: which frame, and how much is unread."""
    while "event_id" not in (frame := await client.read()):
        pass
    return frame["type"], frame["conversation"]["unread_count"]


async def test_each_person_is_told_what_it_means_for_them(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await world.settled(await opened(api))
    chef, anna = [await crowd.connected(path) for path in (CHEF, USER)]
    message_id = (await said(api, conversation_id, "a secret recipe")).json["message_id"]
    assert [await told(one) for one in (chef, anna)] == [("conversation.updated", 0)] * 2
    # It counts as unread once everybody has it.
    await have_it(world, message_id)
    assert await told(chef) == ("message.received", 1)
    notice = chef.events[-1]
    assert (notice["sender_id"], notice["sender_type"], notice["mentions_you"]) == ("u-anna", "user", False)
    assert notice["conversation"]["settings"]["muted"] is False

    await heard(world, conversation_id, "another secret recipe", "$2")
    assert await told(chef) == ("message.received", 2)
    assert await told(anna) == ("conversation.updated", 0)

    await api.post(f"{CONVERSATIONS}/{conversation_id}/read", {"participant_id": "v-1"})
    assert await told(chef) == ("conversation.updated", 0)
    await said(api, conversation_id, "the last secret")
    assert await told(anna) == ("conversation.updated", 0)
    assert anna.events[-1]["conversation"]["message_count"] == 3  # that the chef has read, is nothing to her
    assert "secret" not in json.dumps([*chef.frames, *anna.frames])


async def test_who_is_spoken_to_learns_of_it(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await world.settled(await opened(api))
    conversation = await conversation_of(world, conversation_id)
    anna, _ = await world.conversation_store.members(world.database, conversation.conversation_id)
    chef = await crowd.connected(CHEF)
    async with world.database.transaction() as tx:
        await world.messages.receive(
            tx,
            conversation,
            sender=anna,
            text="Chef?",
            origin_id="$1",
            sent_at=world.clock.now(),
            mentions=[ParticipantId("v-1")],
        )
    assert (await chef.next("message.received"))["mentions_you"] is True


async def test_a_reaction_is_told_to_whom_it_is_for(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    message_id = await delivered(world, api, conversation_id, "Vanilla?")
    await world.settled(conversation_id)
    anna, chef = [await crowd.connected(path) for path in (USER, CHEF)]
    reaction = {"sender_id": "v-1", "emoji": "👍"}
    assert (await api.post(f"/api/v1/messages/{message_id}/reactions", reaction)).status in (200, 201)
    frame = await anna.next("reaction.changed")
    assert frame["message_id"] == message_id
    assert frame["reactions"] == [{"emoji": "👍", "count": 1, "participants": ["v-1"], "mine": False}]
    await said(api, conversation_id, "the end")
    assert await told(chef) == ("conversation.updated", 1)


async def test_who_is_kept_out_is_not_notified(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await world.settled(await opened(api))
    chef, anna = [await crowd.connected(path) for path in (CHEF, USER)]
    blocked = await api.post(f"{CONVERSATIONS}/{conversation_id}/block", {"side": "vendor"})
    assert blocked.json["status"] == "blocked"
    await heard(world, conversation_id, "Between us", "$1")
    await world.leave(conversation_id, "v-1")
    await heard(world, conversation_id, "And now?", "$2")
    await anna.next("conversation.updated")
    while anna.events[-1]["conversation"]["message_count"] < 2:
        await anna.next("conversation.updated")
    await chef.drain(0.05)
    assert chef.events == [], "not even of that"


async def test_who_comes_back_is_notified_of_what_they_missed(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    """An example of property 4, which `test_resume.py` proves."""
    conversation_id = await world.settled(await opened(api))
    chef = await crowd.connected(CHEF, world.person("v-1", "vendor"))
    chef.drop()
    message_id = await delivered(world, api, conversation_id, "one")
    gone = await delivered(world, api, conversation_id, "two")
    await api.request("DELETE", f"/api/v1/messages/{gone}")
    await world.settled(conversation_id)
    await said(api, conversation_id, "the end")
    await world.settled(conversation_id)
    last = await world.database.fetch_value(
        "SELECT last FROM feed_numbers WHERE conversation_id = $1", conversation_id
    )
    await chef.connect()
    while not chef.events or chef.events[-1]["number"] < last:
        await chef.read()
    notices = [one for one in chef.events if one["type"] == "message.received"]
    assert [one["message_id"] for one in notices] == [message_id]
    assert {one["conversation"]["unread_count"] for one in chef.events} == {1}
