"""Conversations by REST."""

import asyncio
from typing import Any

import pytest

from bridge.core.ids import ConversationId
from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, opened, pair, said
from tests.bridge.api.world import World
from tests.bridge.platform.sender import host
from tests.databases import both_databases

NOW = "2027-01-15T08:00:00.000Z"  # of the frozen clock


@both_databases
async def test_a_conversation_is_made_and_then_found(api: Api, world: World) -> None:
    made = await api.post(CONVERSATIONS, pair())
    assert made.status == 201
    conversation_id = made.json["conversation_id"]
    assert made.headers["Location"] == f"{CONVERSATIONS}/{conversation_id}"
    assert made.json == {
        "conversation_id": conversation_id,
        "type": "direct",
        "title": "Anna & Ben x Sweet Bites",
        "subject": None,
        "description": None,
        "status": "active",
        "category": None,
        "tags": [],
        "priority": "normal",
        "resolution": None,
        "resolved_at": None,
        "metadata": {},
        "party_id": "p-1",
        "party_ids": ["p-1"],
        "vendor_id": "v-1",
        "vendor_type": "caterer",
        "host_id": "u-anna",
        "booking_ids": [],
        "event_id": None,
        "lead_id": None,
        "service_type": None,
        "participants": [
            {
                "participant_id": "u-anna",
                "name": "Anna",
                "role": "host",
                "standing": "owner",
                "mxid": "@anna:example.org",
                "away": None,
                "failure": None,
                "unread_count": 0,
            },
            {
                "participant_id": "v-1",
                "name": "Sweet Bites",
                "role": "vendor",
                "standing": "member",
                "mxid": None,
                "away": None,
                "failure": None,
                "unread_count": 0,
            },
        ],
        "settings": None,
        "message_count": 0,
        "last_message": None,
        "last_message_at": None,
        "unread_count": None,
        "metrics": {
            "host_response_time": None,
            "vendor_response_time": None,
            "staff_response_time": None,
            "unanswered_since": None,
        },
        "room_id": None,
        "archived_at": None,
        "closed_at": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    assert (await api.get(made.headers["Location"])).json == made.json
    recorded = [row["topic"] for row in await world.database.fetch("SELECT topic FROM outbox ORDER BY seq")]
    assert recorded == ["matrix.ConversationOpened", "matrix.ParticipantAdded", "matrix.ParticipantAdded"]


async def test_asking_again_finds_the_same_and_adds_who_is_missing(api: Api) -> None:
    made = await api.post(CONVERSATIONS, pair())
    asked = pair()
    asked["party"]["hosts"].append({"id": "u-ben", "name": "Ben"})
    again = await api.post(CONVERSATIONS, asked)
    assert again.status == 200
    assert "Location" not in again.headers
    assert again.json["conversation_id"] == made.json["conversation_id"]
    assert [one["name"] for one in again.json["participants"]] == ["Anna", "Ben", "Sweet Bites"]


@both_databases
async def test_many_who_ask_at_once_get_one_conversation(api: Api, world: World) -> None:
    answers = await asyncio.gather(*(api.post(CONVERSATIONS, pair()) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
    assert len({answer.json["conversation_id"] for answer in answers}) == 1
    assert len(await world.database.fetch("SELECT 1 FROM conversations")) == 1


@both_databases
async def test_the_view_follows_messages_and_the_room(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    world.clock.advance(1_500)
    await said(api, conversation_id)
    world.rooms.rooms[ConversationId(conversation_id)] = "!room:example.org"
    view = (await api.get(f"{CONVERSATIONS}/{conversation_id}")).json
    assert (view["message_count"], view["last_message_at"]) == (1, "2027-01-15T08:00:01.500Z")
    assert view["last_message"] == {
        "message_id": view["last_message"]["message_id"],
        "sender_id": "u-anna",
        "content": "Hello",
        "sent_at": "2027-01-15T08:00:01.500Z",
    }
    assert view["room_id"] == "!room:example.org"


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("party", None, "party"),
        ("vendor", [], "vendor"),
        ("titel", "Party", "titel"),  # unknown fields are refused
    ],
)
async def test_a_body_of_another_shape_is_refused(
    api: Api, world: World, field: str, value: object, named: str
) -> None:
    before = await world.contents()
    answer = await api.post(CONVERSATIONS, pair() | {field: value})
    assert (answer.status, answer.problem, answer.fields) == (422, "invalid_input", [named])
    assert await world.contents() == before


@pytest.mark.parametrize(
    ("host_fields", "named"),
    [
        ({"id": "a/b"}, "party.hosts[0].id"),
        ({"id": 5}, "party.hosts[0].id"),  # strict: no number for a text
        ({"name": "\u200b"}, "party.hosts[0].name"),  # nothing to see
        ({"name": "A\nB"}, "party.hosts[0].name"),
        ({"mxid": "anna"}, "party.hosts[0].mxid"),
        ({"role": "host"}, "party.hosts[0].role"),
    ],
)
async def test_a_person_of_another_shape_is_refused(
    api: Api, world: World, host_fields: dict[str, Any], named: str
) -> None:
    before = await world.contents()
    asked = pair()
    asked["party"]["hosts"] = [host() | host_fields]
    answer = await api.post(CONVERSATIONS, asked)
    assert (answer.status, answer.fields) == (422, [named])
    assert await world.contents() == before


@pytest.mark.parametrize(
    ("body", "content_type", "status", "problem"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b'{"party": 1, "party": 2}', "application/json", 400, "malformed_json"),
        (b'{"party": "\\u0000\\ud800"}', "application/json", 400, "malformed_json"),
        (b"[]", "application/json", 422, "invalid_input"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "application/cloudevents+json", 415, "unsupported_media_type"),
        (b" " * (1024 * 1024 + 1), "application/json", 413, "body_too_large"),
    ],
)
async def test_what_is_no_request_is_refused(
    api: Api, world: World, body: bytes, content_type: str, status: int, problem: str
) -> None:
    before = await world.contents()
    answer = await api.post(CONVERSATIONS, body, Content_Type=content_type)
    assert (answer.status, answer.problem) == (status, problem)
    assert await world.contents() == before


@both_databases
async def test_lists_are_filtered(api: Api) -> None:
    for party_id, vendor_id in (("p-1", "v-1"), ("p-1", "v-2"), ("p-2", "v-1")):
        await opened(api, party_id, vendor_id)

    async def listed(path: str = CONVERSATIONS, **query: str) -> set[tuple[str, str]]:
        answer = await api.get(path, **query)
        assert answer.status == 200
        return {(view["party_id"], view["vendor_id"]) for view in answer.json["conversations"]}

    assert await listed() == {("p-1", "v-1"), ("p-1", "v-2"), ("p-2", "v-1")}
    assert await listed(party_id="p-1") == {("p-1", "v-1"), ("p-1", "v-2")}
    assert await listed(vendor_id="v-1", status="active") == {("p-1", "v-1"), ("p-2", "v-1")}
    assert await listed(party_id="p-2", vendor_id="v-2") == set()
    assert await listed("/api/v1/parties/p-1/conversations") == {("p-1", "v-1"), ("p-1", "v-2")}
    assert await listed("/api/v1/parties/p-2/conversations", status="active") == {("p-2", "v-1")}


@pytest.mark.parametrize("path", [CONVERSATIONS, "/api/v1/parties/p-1/conversations"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "2.0"),
        ("limit", " 2"),
        ("limit", "1_0"),
        ("limit", "٢"),  # a digit, elsewhere
        ("limit", ""),
        ("status", "sleeping"),
        ("cursor", "a b"),
        ("before", "x"),  # of another list
        ("Limit", "1"),
    ],
)
async def test_a_wrong_query_is_refused(api: Api, path: str, name: str, value: str) -> None:
    await opened(api)
    answer = await api.get(path, **{name: value})
    assert (answer.status, answer.problem, answer.fields) == (422, "invalid_input", [name])


async def test_a_parameter_given_twice_is_refused(api: Api) -> None:
    answer = await api.request("GET", CONVERSATIONS, params=[("limit", "1"), ("limit", "2")])
    assert (answer.status, answer.problem) == (400, "malformed_request")


async def test_the_path_cannot_be_overruled_by_the_query(api: Api) -> None:
    mine, other = await opened(api, "p-1"), await opened(api, "p-2")
    answer = await api.get(f"{CONVERSATIONS}/{mine}", conversation_id=other)
    assert (answer.status, answer.fields) == (422, ["query.conversation_id"])


@pytest.mark.parametrize("conversation_id", ["unknown", "0" * 32, "~"])
async def test_a_conversation_that_is_not_there_is_not_found(api: Api, conversation_id: str) -> None:
    answer = await api.get(f"{CONVERSATIONS}/{conversation_id}")
    assert (answer.status, answer.problem, answer.json["field"]) == (404, "not_found", "conversation_id")


@pytest.mark.parametrize("conversation_id", ["a%00b", "a%2Fb", "%20", "x" * 129])
async def test_an_id_that_can_be_none_is_refused(api: Api, conversation_id: str) -> None:
    answer = await api.get(f"{CONVERSATIONS}/{conversation_id}")
    assert (answer.status, answer.fields) == (422, ["conversation_id"])
