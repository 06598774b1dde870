"""Figures by REST."""

from tests.bridge.api.client import Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import messages_of, opened, said
from tests.bridge.api.world import World
from tests.databases import both_databases

STATS = "/api/v1/messages/stats"


@both_databases
async def test_how_much_was_said_and_how_fast_it_was_answered(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    message_id = (await said(api, conversation_id, "Vegan?")).json["message_id"]
    world.clock.advance(30_000)
    await said(api, conversation_id, "Please?")
    world.clock.advance(60_000)
    await api.post(messages_of(conversation_id), {"sender_id": "v-1", "text": "With pleasure"})
    await api.send("PUT", f"/api/v1/messages/{message_id}", {"sender_id": "u-anna", "text": "Vegetarian?"})
    world.clock.advance(24 * 3_600_000)
    last = (await said(api, conversation_id, "Thanks")).json

    answer = await api.get(STATS, conversation_id=conversation_id)
    assert answer.status == 200, answer.json
    figures = answer.json
    assert (figures["total_messages"], figures["edited_messages"], figures["deleted_messages"]) == (4, 1, 0)
    assert [day["count"] for day in figures["messages_by_day"]] == [3, 1]
    assert figures["vendor_response_time"] == {"answers": 1, "average": 90.0, "median": 90.0, "first": 90.0}
    assert figures["host_response_time"]["average"] == 86_400.0
    anna, chef = figures["participants"]
    assert (anna["message_count"], anna["last_message_at"]) == (3, last["sent_at"])
    assert (chef["message_count"], chef["role"]) == (1, "vendor")
    since = await api.get(STATS, conversation_id=conversation_id, **{"from": last["sent_at"]})
    assert since.json["total_messages"] == 1
    until = await api.get(STATS, conversation_id=conversation_id, to=last["sent_at"])
    assert until.json["total_messages"] == 3


async def test_an_empty_conversation_has_figures(api: Api) -> None:
    figures = (await api.get(STATS, conversation_id=await opened(api))).json
    assert (figures["total_messages"], figures["messages_by_day"]) == (0, [])
    nothing = {"answers": 0, "average": None, "median": None, "first": None}
    assert figures["vendor_response_time"] == figures["host_response_time"] == nothing


async def test_only_those_who_may_see_it(sides: Sides, people: People) -> None:
    conversation_id = await opened(sides.ours)
    refused = await sides.theirs.get(STATS, conversation_id=conversation_id)
    assert (refused.status, refused.problem) == (404, "not_found")

    assert (await people.who("vendor", "v-1").get(STATS, conversation_id=conversation_id)).status == 200
    assert (await people.who("vendor", "v-2").get(STATS, conversation_id=conversation_id)).status == 404
