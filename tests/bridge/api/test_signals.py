"""Typing, presence and another try by REST."""

import pytest

from bridge.core.ids import MessageId
from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, opened, said
from tests.bridge.api.world import World
from tests.databases import both_databases

TYPING = "/api/v1/typing"
PRESENCE = "/api/v1/presence"


async def typists(api: Api, conversation_id: str) -> list[str]:
    found = (await api.get(f"{CONVERSATIONS}/{conversation_id}/typing")).json
    return [one["participant_id"] for one in found["typing"]]


async def test_who_types_shows_for_ten_seconds_and_is_told_outside(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    body = {"conversation_id": conversation_id, "participant_id": "v-1"}
    answer = await api.post(TYPING, body)
    assert answer.json == {
        "conversation_id": conversation_id,
        "typing": [{"participant_id": "v-1", "until": "2027-01-15T08:00:10.000Z"}],
    }
    world.clock.advance(9_999)
    assert await typists(api, conversation_id) == ["v-1"]
    world.clock.advance(1)
    assert await typists(api, conversation_id) == []
    await api.post(TYPING, body)
    await api.post(TYPING, body | {"typing": False})
    assert await typists(api, conversation_id) == []
    assert world.typing_outside.heard == [(conversation_id, "v-1", typing) for typing in (True, True, False)]


async def test_signals_leave_nothing_in_the_database(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    before = await world.contents()
    body = {"conversation_id": conversation_id, "participant_id": "v-1"}
    assert (await api.post(TYPING, body)).status == 200
    presence = {"participant_id": "v-1", "presence": "away"}
    assert (await api.send("PUT", PRESENCE, presence)).status == 200
    assert await world.contents() == before


@pytest.mark.parametrize(
    ("change", "status", "problem"),
    [
        ({"participant_id": "u-ben"}, 409, "not_a_participant"),
        ({"participant_id": "v-2"}, 409, "not_a_participant"),  # of another conversation
        ({"participant_id": None}, 422, "invalid_input"),
        ({"conversation_id": "unknown"}, 404, "not_found"),
        ({"typing": "yes"}, 422, "invalid_input"),
    ],
)
async def test_nobody_types_where_they_are_not(
    api: Api, world: World, change: dict[str, object], status: int, problem: str
) -> None:
    conversation_id = await opened(api)
    await opened(api, "p-1", "v-2")
    body = {"conversation_id": conversation_id, "participant_id": "v-1"} | change
    answer = await api.post(TYPING, body)
    assert (answer.status, answer.problem) == (status, problem)
    assert await typists(api, conversation_id) == []
    assert world.typing_outside.heard == []


async def test_who_is_there_is_shown(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    path = f"{CONVERSATIONS}/{conversation_id}/presence"
    offline = {"presence": "offline", "last_seen": None}
    assert (await api.get(path)).json["participants"] == [
        {"participant_id": "u-anna"} | offline,
        {"participant_id": "v-1"} | offline,
    ]
    answer = await api.send("PUT", PRESENCE, {"participant_id": "v-1", "presence": "online"})
    online = {"participant_id": "v-1", "presence": "online", "last_seen": "2027-01-15T08:00:00.000Z"}
    assert answer.json == online
    assert (await api.get(path)).json["participants"][1] == online
    world.clock.advance(300_000)
    assert (await api.get(path)).json["participants"][1] == online | {"presence": "offline"}


async def test_nobody_unknown_is_there(api: Api) -> None:
    await opened(api)
    answer = await api.send("PUT", PRESENCE, {"participant_id": "v-9", "presence": "online"})
    assert (answer.status, answer.problem) == (404, "not_found")
    wrong = await api.send("PUT", PRESENCE, {"participant_id": "v-1", "presence": "busy"})
    assert (wrong.status, wrong.fields) == (422, ["presence"])


# Another try for a message that failed


async def given_up(world: World, message_id: str) -> str:
    """Its outbox item's id."""
    (lane,) = [lane for lane in await world.outbox.lanes() if lane.startswith("matrix:")]
    while item := await world.outbox.head(lane):
        async with world.database.transaction() as tx:
            if item.topic == "matrix.MessagePosted":
                await world.messages.failed(tx, MessageId(message_id), reason="gave up")
                await world.outbox.bury(tx, item, failure="gave up")
            else:
                await world.outbox.finish(tx, item)
        found = item.id
    return found


@both_databases
async def test_what_failed_is_tried_again_as_it_is(api: Api, world: World) -> None:
    posted = await said(api, await opened(api))
    message_id = posted.json["message_id"]
    item_id = await given_up(world, message_id)
    answer = await api.request("POST", f"/api/v1/messages/{message_id}/retry")
    assert (answer.status, answer.json["status"], answer.json["failure_reason"]) == (200, "pending", None)
    (row,) = await world.database.fetch("SELECT id, state FROM outbox WHERE topic = 'matrix.MessagePosted'")
    assert (row["id"], row["state"]) == (item_id, "waiting")  # the same: it is said once
    before = await world.contents()
    again = await api.request("POST", f"/api/v1/messages/{message_id}/retry")
    assert (again.status, again.problem) == (409, "not_failed")
    assert await world.contents() == before


async def test_what_failed_and_left_no_dead_letter_is_recorded_anew(api: Api, world: World) -> None:
    posted = await said(api, await opened(api))
    message_id = posted.json["message_id"]
    await given_up(world, message_id)
    async with world.database.transaction() as tx:
        await tx.execute("DELETE FROM outbox WHERE state = 'dead'")
    assert (await api.request("POST", f"/api/v1/messages/{message_id}/retry")).status == 200
    (row,) = await world.database.fetch("SELECT state FROM outbox WHERE topic = 'matrix.MessagePosted'")
    assert row["state"] == "waiting"


async def test_what_was_deleted_is_not_tried_again(api: Api, world: World) -> None:
    posted = await said(api, await opened(api))
    message_id = posted.json["message_id"]
    await given_up(world, message_id)
    await api.request("DELETE", f"/api/v1/messages/{message_id}")
    before = await world.contents()
    answer = await api.request("POST", f"/api/v1/messages/{message_id}/retry")
    assert (answer.status, answer.problem) == (409, "message_deleted")
    assert await world.contents() == before
