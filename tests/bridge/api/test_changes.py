"""Messages edited and deleted by REST."""

import pytest

from bridge.core.ids import MessageId
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.requests import messages_of, opened, said
from tests.bridge.api.world import MAX_TEXT_LENGTH, World
from tests.databases import both_databases

MINUTE = 60_000
HOUR = 60 * MINUTE


async def edit(api: Api, message_id: str, text: str = "Vegetarian?", sender_id: str = "u-anna") -> Answer:
    return await api.send("PUT", f"/api/v1/messages/{message_id}", {"sender_id": sender_id, "text": text})


async def delete(api: Api, message_id: str, **query: str) -> Answer:
    return await api.request("DELETE", f"/api/v1/messages/{message_id}", params=query)


async def events(world: World) -> list[str]:
    rows = await world.database.fetch("SELECT topic FROM outbox ORDER BY seq")
    return [row["topic"] for row in rows if "Message" in row["topic"]]


@both_databases
async def test_an_edited_message_says_so(api: Api, world: World) -> None:
    posted = (await said(api, await opened(api))).json
    world.clock.advance(MINUTE)
    edited = await edit(api, posted["message_id"])
    assert edited.status == 200
    assert edited.json == posted | {
        "content": "Vegetarian?",
        "is_edited": True,
        "edited_at": "2027-01-15T08:01:00.000Z",
        "updated_at": "2027-01-15T08:01:00.000Z",
    }
    assert (await api.get(f"/api/v1/messages/{posted['message_id']}")).json == edited.json
    assert (await api.get(messages_of(posted["conversation_id"]))).json["messages"] == [edited.json]
    before = await world.contents()
    assert (await edit(api, posted["message_id"])).json == edited.json
    assert await world.contents() == before
    assert await events(world) == ["matrix.MessagePosted", "matrix.MessageEdited"]


@pytest.mark.parametrize("query", [{"sender_id": "u-anna"}, {}])  # by the sender, and by the staff
async def test_a_deleted_message_says_nothing_but_that(api: Api, world: World, query: dict[str, str]) -> None:
    posted = (await said(api, await opened(api))).json
    deleted = await delete(api, posted["message_id"], **query)
    assert deleted.status == 200
    assert deleted.json == posted | {"content": "", "is_deleted": True}
    assert (await api.get(messages_of(posted["conversation_id"]))).json["messages"] == [deleted.json]
    assert (await delete(api, posted["message_id"], **query)).json == deleted.json
    assert await events(world) == ["matrix.MessagePosted", "matrix.MessageDeleted"]


@pytest.mark.parametrize(
    ("sender_id", "text", "age", "status", "problem"),
    [
        ("u-anna", "x", 15 * MINUTE, 200, None),
        ("u-anna", "x", 15 * MINUTE + 1, 409, "edit_window_closed"),
        ("v-1", "x", 0, 409, "not_the_sender"),
        ("u-nobody", "x", 0, 409, "not_the_sender"),
        ("u-anna", " ", 0, 422, "invalid_input"),
        ("u-anna", "x" * (MAX_TEXT_LENGTH + 1), 0, 422, "invalid_input"),
    ],
)
async def test_who_edits_what_and_until_when(
    api: Api, world: World, sender_id: str, text: str, age: int, status: int, problem: str | None
) -> None:
    posted = (await said(api, await opened(api))).json
    world.clock.advance(age)
    before = await world.contents()
    answer = await edit(api, posted["message_id"], text, sender_id)
    assert answer.status == status
    if problem is not None:
        assert answer.problem == problem
        assert await world.contents() == before


@pytest.mark.parametrize(
    ("query", "age", "status", "problem"),
    [
        ({"sender_id": "u-anna"}, HOUR, 200, None),
        ({"sender_id": "u-anna"}, HOUR + 1, 409, "delete_window_closed"),
        ({"sender_id": "v-1"}, 0, 409, "not_the_sender"),
        ({}, 1000 * HOUR, 200, None),
        ({"sender_id": ""}, 0, 422, "invalid_input"),
        ({"reason": "typo"}, 0, 422, "invalid_input"),
    ],
)
async def test_who_deletes_what_and_until_when(
    api: Api, world: World, query: dict[str, str], age: int, status: int, problem: str | None
) -> None:
    posted = (await said(api, await opened(api))).json
    world.clock.advance(age)
    before = await world.contents()
    answer = await delete(api, posted["message_id"], **query)
    assert answer.status == status
    if problem is not None:
        assert answer.problem == problem
        assert await world.contents() == before


async def test_what_is_deleted_is_not_edited(api: Api, world: World) -> None:
    posted = (await said(api, await opened(api))).json
    await delete(api, posted["message_id"])
    before = await world.contents()
    assert (await edit(api, posted["message_id"])).problem == "message_deleted"
    assert await world.contents() == before


@both_databases
async def test_what_was_written_in_a_client_is_edited_there(api: Api, world: World) -> None:
    posted = (await said(api, await opened(api))).json
    async with world.database.transaction() as tx:
        await tx.execute(
            "UPDATE messages SET from_client = 1 WHERE message_id = $1", MessageId(posted["message_id"])
        )
    answer = await edit(api, posted["message_id"])
    assert (answer.status, answer.problem) == (409, "written_in_client")
