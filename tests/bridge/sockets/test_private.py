"""What concerns one person alone: they are told, now and after a drop, and nobody else learns of it."""

import json
from typing import Any

from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, opened, said, scheduled
from tests.bridge.sockets.client import Client, Crowd, LiveWorld
from tests.bridge.sockets.test_commands import delivered
from tests.databases import both_databases

PARTY, VENDOR, ANNA, CHEF = (
    "/ws/communication/p-1",
    "/ws/vendor/v-1",
    "/ws/notifications/u-anna",
    "/ws/notifications/v-1",
)
PRIVATE = ("message.hidden", "scheduled.failed")
IN_A_MINUTE = "2027-01-15T08:01:00Z"


async def told(client: Client, world: LiveWorld, conversation_id: str) -> list[dict[str, Any]]:
    """Of one alone, among all up to now."""
    last = await world.database.fetch_value(
        "SELECT last FROM feed_numbers WHERE conversation_id = $1", conversation_id
    )
    while not client.events or client.events[-1]["number"] < last:
        await client.read()
    return [frame for frame in client.events if frame["type"] in PRIVATE]


async def hide(api: Api, message_id: str, person: str) -> None:
    query = {"for": "me", "sender_id": person}
    assert (await api.request("DELETE", f"/api/v1/messages/{message_id}", params=query)).status == 200


@both_databases
async def test_what_concerns_one_person_is_told_to_them_alone(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await opened(api)
    body = {"sender_id": "v-1", "text": "Marzipan"}
    message = await api.post(f"{CONVERSATIONS}/{conversation_id}/messages", body)
    later = (await scheduled(api, conversation_id, "A secret", IN_A_MINUTE)).json
    await world.settled(conversation_id)
    anna, chef = world.person("u-anna"), world.person("v-1", "vendor")
    hers = [(PARTY, anna), (ANNA, anna), (ANNA, None)]
    others = [(PARTY, None), (PARTY, chef), (VENDOR, None), (VENDOR, chef), (CHEF, chef), (CHEF, None)]
    live = {one: await crowd.connected(*one) for one in (*hers, *others)}
    back = {one: await crowd.connected(*one) for one in (*hers, *others)}
    for client in back.values():
        client.drop()

    await hide(api, message.json["message_id"], "u-anna")
    await api.post(f"{CONVERSATIONS}/{conversation_id}/close", {})
    world.clock.advance(60_000)
    await world.due_messages.do_due()
    await api.post(f"{CONVERSATIONS}/{conversation_id}/reopen", {})
    await said(api, conversation_id, "the end")
    await world.settled(conversation_id)
    for client in back.values():
        await client.connect()
    for clients in (live, back):
        for one in hers:
            hidden, failed = await told(clients[one], world, conversation_id)
            assert (hidden["type"], hidden["number"]) == ("message.hidden", 0)
            assert (hidden["message_id"], hidden["participant_id"]) == (message.json["message_id"], "u-anna")
            assert (failed["type"], failed["scheduled_id"]) == ("scheduled.failed", later["scheduled_id"])
            assert (failed["participant_id"], failed["status"]) == ("u-anna", "failed")
            assert failed["failure_reason"].startswith("The conversation is closed")
            assert "A secret" not in json.dumps(clients[one].frames)
        for one in others:
            assert await told(clients[one], world, conversation_id) == [], one
        numbers = [frame["number"] for frame in clients[PARTY, None].events]
        assert numbers == [*range(numbers[0], numbers[0] + len(numbers))], "nobody else misses one"


async def test_what_is_hidden_changes_what_is_unread(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    first = await delivered(world, api, conversation_id, "Vanilla?")
    await delivered(world, api, conversation_id, "Or lemon?")
    await world.settled(conversation_id)
    chef = await crowd.connected(CHEF)
    await hide(api, first, "v-1")
    notice = await chef.next("message.hidden")
    assert notice["conversation"]["unread_count"] == 1
    assert notice["conversation"]["last_message"] is None


async def test_what_failed_is_told_as_it_is_by_then(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    later = (await scheduled(api, conversation_id, "A secret", IN_A_MINUTE)).json
    await world.settled(conversation_id)
    anna = await crowd.connected(ANNA, world.person("u-anna"))
    anna.drop()
    await api.post(f"{CONVERSATIONS}/{conversation_id}/close", {})
    world.clock.advance(60_000)
    await world.due_messages.do_due()
    gone = await api.request("DELETE", f"/api/v1/scheduled-messages/{later['scheduled_id']}")
    assert gone.status == 200
    await world.settled(conversation_id)
    await anna.connect()
    failed = await anna.next("scheduled.failed")
    assert (failed["status"], failed["failure_reason"]) == ("cancelled", None)
