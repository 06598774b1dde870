"""The same request under the same Idempotency-Key has its effect once."""

import asyncio

import pytest

from bridge.web import idempotency
from bridge.web.idempotency import KEPT
from tests.bridge.api.client import Api
from tests.bridge.api.conftest import Sides
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, pair, said
from tests.bridge.api.world import OURS, World
from tests.databases import both_databases

DAY = 24 * 60 * 60 * 1000


async def count(world: World, table: str = "messages") -> int:
    return len(await world.database.fetch(f"SELECT 1 FROM {table}"))


@both_databases
async def test_a_repeated_message_is_said_once(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    first = await said(api, conversation_id, Idempotency_Key="k1")
    world.clock.advance(DAY)
    again = await said(api, conversation_id, Idempotency_Key="k1")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status, again.json) == (201, first.json)
    assert again.headers["Location"] == first.headers["Location"]
    assert await count(world) == 1


async def test_a_repeated_opening_is_answered_as_the_first(api: Api) -> None:
    """Not with 200, although by then it is there."""
    answers = [await api.post(CONVERSATIONS, pair(), Idempotency_Key="k1") for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    found = await api.post(CONVERSATIONS, pair(), Idempotency_Key="k2")
    assert found.status == 200
    again = await api.post(CONVERSATIONS, pair(), Idempotency_Key="k2")
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")


async def test_how_json_is_written_makes_no_other_request(api: Api, world: World) -> None:
    path = messages_of(await opened(api))
    for body in (b'{"sender_id":"u-anna","text":"Hi"}', b'{ "text": "H\\u0069",\n"sender_id": "u-anna" }'):
        assert (await api.post(path, body, Idempotency_Key="k1")).status == 201
    assert await count(world) == 1


async def test_another_request_under_the_same_key_is_refused(api: Api, world: World) -> None:
    first, second = await opened(api, "p-1"), await opened(api, "p-2")
    await said(api, first, "Hello", Idempotency_Key="k1")
    before = await world.contents()
    for answer in (
        await said(api, first, "Hello!", Idempotency_Key="k1"),  # another body
        await said(api, second, "Hello", Idempotency_Key="k1"),  # another path
        await api.post(CONVERSATIONS, pair("p-3"), Idempotency_Key="k1"),  # another operation
    ):
        assert (answer.status, answer.problem) == (422, "idempotency_key_reused")
        assert answer.json["field"] == "Idempotency-Key"
    assert await world.contents() == before


async def test_tenants_have_keys_of_their_own(sides: Sides, world: World) -> None:
    for api in (sides.ours, sides.theirs):
        answer = await said(api, await opened(api), Idempotency_Key="k1")
        assert "Idempotency-Replayed" not in answer.headers
    assert await count(world) == 2


@both_databases
async def test_two_at_once_have_one_effect(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    answers = await asyncio.gather(*(said(api, conversation_id, Idempotency_Key="k1") for _ in range(6)))
    assert [answer.status for answer in answers] == [201] * 6
    assert len({answer.json["message_id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 5
    assert await count(world) == 1


@both_databases
async def test_of_two_different_at_once_one_is_refused(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    answers = await asyncio.gather(
        *(said(api, conversation_id, text, Idempotency_Key="k1") for text in ("Yes", "No"))
    )
    assert sorted(answer.status for answer in answers) == [201, 422]
    assert await count(world) == 1


async def test_a_refusal_uses_no_key_up(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    body = {"sender_id": "u-ben", "text": "Hello"}
    refused = await api.post(messages_of(conversation_id), body, Idempotency_Key="k1")
    assert refused.problem == "not_a_participant"
    asked = pair()
    asked["party"]["hosts"].append({"id": "u-ben", "name": "Ben"})
    await api.post(CONVERSATIONS, asked)
    assert (await api.post(messages_of(conversation_id), body, Idempotency_Key="k1")).status == 201


@both_databases
async def test_a_lost_effect_leaves_no_answer(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer and the effect are one commit: where the answer cannot be kept, nothing is said."""
    conversation_id = await opened(api)

    before = await world.contents()
    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "INSERT", "INSERT INTO nowhere VALUES ($1, $2, $3, $4, $5)")
        assert (await said(api, conversation_id, Idempotency_Key="k1")).status == 500
    assert await world.contents() == before
    answer = await said(api, conversation_id, Idempotency_Key="k1")
    assert (answer.status, "Idempotency-Replayed" in answer.headers) == (201, False)


@both_databases
async def test_answers_are_forgotten_after_two_days_not_after_one(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    await said(api, conversation_id, Idempotency_Key="old")
    world.clock.advance(KEPT)
    await said(api, conversation_id, Idempotency_Key="young")
    assert await count(world, "idempotency_keys") == 2
    world.clock.advance(1)
    await said(api, conversation_id, Idempotency_Key="youngest")
    keys = await world.database.fetch("SELECT key FROM idempotency_keys ORDER BY created_at")
    assert [row["key"] for row in keys] == ["young", "youngest"]


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "é"])
async def test_a_key_is_visible_ascii(api: Api, world: World, key: str) -> None:
    conversation_id = await opened(api)
    before = await world.contents()
    answer = await said(api, conversation_id, Idempotency_Key=key)
    assert (answer.status, answer.problem, answer.json["field"]) == (422, "invalid_input", "Idempotency-Key")
    assert await world.contents() == before


@pytest.mark.parametrize("key", ["!", "~" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
async def test_any_visible_ascii_is_a_key(api: Api, world: World, key: str) -> None:
    conversation_id = await opened(api)
    for _ in range(2):
        assert (await said(api, conversation_id, Idempotency_Key=key)).status == 201
    assert await count(world) == 1
    stored = await world.database.fetch("SELECT tenant_id, key FROM idempotency_keys")
    assert [(row["tenant_id"], row["key"]) for row in stored] == [(OURS, key)]
