"""Too much in a minute is put off, and says for how long; and the paths that older clients know."""

import json

import pytest
from aiohttp.test_utils import TestClient

from bridge.core.caller import Caller
from bridge.core.ids import ParticipantId, TenantId
from bridge.web.aliases import ALIASES
from bridge.web.pace import Pace, RateLimited
from tests.bridge.api.client import DOCUMENT, Api
from tests.bridge.api.conftest import Sides
from tests.bridge.api.requests import CONVERSATIONS, event_sent, messages_of, opened, pair, said
from tests.bridge.api.world import OURS, SECRETS, World


def slow_down(world: World, *, requests: int = 1_000, messages: int = 1_000) -> None:
    vars(world.pace).update(vars(Pace(requests=requests, messages=messages, frames=1_000)))


async def test_who_asks_too_often_is_told_when_to_come_again(world: World, sides: Sides) -> None:
    slow_down(world, requests=3)
    for _ in range(3):
        assert (await sides.ours.get(CONVERSATIONS)).status == 200
    refused = await sides.ours.post(CONVERSATIONS, pair())
    assert (refused.status, refused.problem) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    # Others are others; and nothing was changed.
    assert (await sides.theirs.get(CONVERSATIONS)).json["conversations"] == []
    assert (await world.contents())["conversations"] == []
    # What the platform tells is signed, and never put off.
    assert (await event_sent(sides.nobody, SECRETS[OURS])).status == 202


async def test_who_says_too_much_is_put_off_and_others_are_not(world: World, api: Api) -> None:
    slow_down(world, messages=2)
    conversation_id = await opened(api)
    answers = [await said(api, conversation_id, f"{number}") for number in range(3)]
    assert [answer.status for answer in answers] == [201, 201, 429]
    assert "Retry-After" in answers[-1].headers
    of_another = await api.post(messages_of(conversation_id), {"sender_id": "v-1", "text": "Hello"})
    assert of_another.status == 201
    listed = (await api.get(messages_of(conversation_id))).json["messages"]
    assert [message["content"] for message in listed] == ["0", "1", "Hello"]


async def test_a_person_has_a_pace_of_their_own() -> None:
    pace = Pace(requests=1, messages=1, frames=1)
    ours, theirs, anna = TenantId("a"), TenantId("b"), ParticipantId("anna")
    callers = [
        Caller(tenant_id=ours, role="service"),
        Caller(tenant_id=ours, role="host", participant_id=anna),
        Caller(tenant_id=ours, role="host", participant_id=ParticipantId("ben")),
        Caller(tenant_id=theirs, role="host", participant_id=anna),
    ]
    for caller in callers:
        pace.request(caller)
    for caller in callers:
        with pytest.raises(RateLimited):
            pace.request(caller)


def test_every_operation_with_a_key_says_that_it_may_be_put_off() -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            if operation["security"] == [{"api_key": []}]:
                assert operation["responses"]["429"]["headers"]["Retry-After"]["required"]


@pytest.mark.parametrize("alias", ALIASES)
async def test_the_same_api_answers_where_older_clients_look(world: World, sides: Sides, alias: str) -> None:
    http: TestClient = sides.ours.http  # type: ignore[type-arg]
    headers = {"Authorization": f"Bearer {sides.ours.key}"}
    conversation_id = await opened(sides.ours)
    message = (await said(sides.ours, conversation_id)).json
    for path in (
        "conversations",
        f"conversations/{conversation_id}",
        f"conversations/{conversation_id}/messages",
        f"messages/{message['message_id']}",
        "parties/p-1/conversations",
        "admin/dead-letters",
    ):
        async with http.get(f"/api/v1/{path}", headers=headers) as canonical:
            expected = await canonical.json()
        async with http.get(f"{alias}{path}", headers=headers) as response:
            assert response.status == 200
            answer = await response.json()
        assert _without_cursors(answer) == _without_cursors(expected), path
    async with http.get(f"{alias}conversations/unknown", headers=headers) as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")
    async with http.get(f"{alias}nothing", headers=headers) as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")
    async with http.get(f"{alias}conversations") as response:
        assert (response.status, response.content_type) == (401, "application/problem+json")
    async with http.patch(f"{alias}conversations", headers=headers) as response:
        assert (response.status, response.content_type) == (405, "application/problem+json")


@pytest.mark.parametrize("alias", ALIASES)
async def test_it_is_the_same_request_by_whichever_path(world: World, sides: Sides, alias: str) -> None:
    http: TestClient = sides.ours.http  # type: ignore[type-arg]
    conversation_id = await opened(sides.ours)
    made = await said(sides.ours, conversation_id, Idempotency_Key="k1")
    async with http.post(
        f"{alias}conversations/{conversation_id}/messages",
        json={"sender_id": "u-anna", "text": "Hello"},
        headers={"Authorization": f"Bearer {sides.ours.key}", "Idempotency-Key": "k1"},
    ) as response:
        assert response.headers["Idempotency-Replayed"] == "true"
        assert response.headers["Location"] == made.headers["Location"]
        assert await response.json() == made.json


def test_the_document_lists_one_path_of_each() -> None:
    assert not [path for path in DOCUMENT["paths"] if path.startswith(ALIASES)]


def _without_cursors(answer: dict[str, object]) -> str:
    cursors = {"before", "after", "next_cursor"}
    return json.dumps({name: value for name, value in answer.items() if name not in cursors})
