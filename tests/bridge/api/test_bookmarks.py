"""Messages marked for oneself, and repeated in another conversation."""

from typing import Any

import pytest

from tests.bridge.api.client import Answer, Api
from tests.bridge.api.requests import messages_of, opened, said
from tests.bridge.api.test_reactions import events, message_id, people
from tests.bridge.api.world import World
from tests.databases import both_databases

__all__ = ["message_id", "people"]

LIST = "/api/v1/bookmarks"


async def mark(api: Api, message: str, participant_id: str | None = "u-anna", method: str = "PUT") -> Answer:
    query = {} if participant_id is None else {"participant_id": participant_id}
    return await api.request(method, f"/api/v1/messages/{message}/bookmark", params=query)


async def marked(api: Api, **query: Any) -> list[str]:
    return [view["message_id"] for view in (await api.get(LIST, **query)).json["messages"]]


async def forward(api: Api, message: str, to: str, sender_id: str | None = "u-anna") -> Answer:
    body = {"conversation_id": to} | ({} if sender_id is None else {"sender_id": sender_id})
    return await api.post(f"/api/v1/messages/{message}/forward", body)


async def test_what_one_marks_nobody_else_sees(world: World, message_id: str, people: Any) -> None:
    anna, chef = people("host", "u-anna"), people("vendor", "v-1")
    first = await mark(anna, message_id, None)
    assert (first.status, first.json["is_bookmarked"]) == (200, True)
    before = await world.contents()
    assert (await mark(anna, message_id)).json == first.json
    assert await world.contents() == before
    assert [await marked(anna), await marked(chef)] == [[message_id], []]
    assert (await mark(chef, message_id, None, "DELETE")).json["is_bookmarked"] is False
    assert await marked(anna) == [message_id]
    assert (await mark(anna, message_id, None, "DELETE")).json["is_bookmarked"] is False
    assert await marked(anna) == []
    assert not [topic for topic in await events(world) if "ookmark" in topic]  # the room hears nothing


@both_databases
async def test_bookmarks_come_in_pages_the_last_first(api: Api) -> None:
    ids = []
    for number in range(5):
        conversation_id = await opened(api, f"p-{number % 2}", "v-1")
        ids.append((await said(api, conversation_id, f"{number}")).json["message_id"])
        await mark(api, ids[-1])
    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        query: dict[str, Any] = {"participant_id": "u-anna", "limit": 2} | (
            {"cursor": cursor} if cursor else {}
        )
        page = (await api.get(LIST, **query)).json
        assert all(view["is_bookmarked"] for view in page["messages"])
        pages.append([view["message_id"] for view in page["messages"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [ids[:2:-1], ids[2:0:-1], ids[:1]]
    answer = await api.get(LIST, participant_id="v-1", cursor="made-up")
    assert answer.problem == "invalid_cursor"


@both_databases
async def test_what_is_deleted_or_left_is_not_listed(api: Api, world: World, message_id: str) -> None:
    await mark(api, message_id)
    other = (await said(api, await opened(api, "p-2"))).json
    await mark(api, other["message_id"])
    await api.request("DELETE", f"/api/v1/messages/{message_id}")
    assert await marked(api, participant_id="u-anna") == [other["message_id"]]
    async with world.database.transaction() as tx:
        leave = "DELETE FROM conversation_members WHERE conversation_id = $1 AND participant_id = 'u-anna'"
        await tx.execute(leave, other["conversation_id"])
    assert await marked(api, participant_id="u-anna") == []


async def test_nobody_marks_for_another(api: Api, world: World, message_id: str, people: Any) -> None:
    before = await world.contents()
    for client, whose, status, problem in (
        (people("vendor", "v-1"), "u-anna", 403, "not_yourself"),
        (people("vendor", "v-2"), None, 404, "not_found"),
        (people("host", "u-anna", "theirs"), None, 404, "not_found"),
    ):
        for method in ("PUT", "DELETE"):
            answer = await mark(client, message_id, whose, method)
            assert (answer.status, answer.problem) == (status, problem)
    assert (await people("vendor", "v-1").get(LIST, participant_id="u-anna")).problem == "not_yourself"
    assert await world.contents() == before


async def test_a_program_says_for_whom(api: Api, message_id: str) -> None:
    assert (await mark(api, message_id, None)).problem == "invalid_input"
    assert (await mark(api, message_id, "u-nobody")).problem == "not_a_participant"
    assert (await api.get(LIST)).problem == "invalid_input"


@both_databases
async def test_a_message_is_repeated_elsewhere_without_its_relations(api: Api, world: World) -> None:
    here, there = await opened(api), await opened(api, "p-1", "v-2")
    question = (await said(api, here)).json["message_id"]
    body = {
        "sender_id": "v-1",
        "text": "Yes",
        "html": "<b>Yes</b>",
        "mentions": ["u-anna"],
        "reply_to": question,
    }
    answer = (await api.post(messages_of(here), body)).json
    forwarded = await forward(api, answer["message_id"], there)
    assert forwarded.status == 201
    assert forwarded.headers["Location"] == f"/api/v1/messages/{forwarded.json['message_id']}"
    changed = (
        "message_id",
        "conversation_id",
        "channel_id",
        "sender_id",
        "sender_type",
        "sender_role",
        "mentions",
        "reply_to",
        "is_forwarded",
    )
    assert [forwarded.json[name] for name in changed[1:]] == [
        there,
        there,
        "u-anna",
        "user",
        "host",
        [],
        None,
        True,
    ]
    kept = answer.keys() - {*changed, "recipients"}
    assert {name: forwarded.json[name] for name in kept} == {name: answer[name] for name in kept}
    assert (await events(world))[-1] == "matrix.MessagePosted"


@pytest.mark.parametrize(
    ("sender_id", "status", "problem"),
    [
        ("v-1", 409, "not_a_participant"),
        ("u-nobody", 409, "not_a_participant"),
        (None, 422, "invalid_input"),
    ],
)
async def test_who_takes_no_part_there_repeats_nothing(
    api: Api, world: World, message_id: str, sender_id: str | None, status: int, problem: str
) -> None:
    there = await opened(api, "p-1", "v-2")
    before = await world.contents()
    answer = await forward(api, message_id, there, sender_id)
    assert (answer.status, answer.problem) == (status, problem)
    assert await world.contents() == before


async def test_a_person_forwards_from_and_to_what_they_see(api: Api, message_id: str, people: Any) -> None:
    there = await opened(api, "p-1", "v-2")
    for client in (people("vendor", "v-1"), people("vendor", "v-2"), people("host", "u-anna", "theirs")):
        answer = await forward(client, message_id, there, None)
        assert (answer.status, answer.problem) == (404, "not_found")
    assert (await forward(people("host", "u-anna"), message_id, there, "v-2")).problem == "not_yourself"
    await api.request("DELETE", f"/api/v1/messages/{message_id}")
    assert (await forward(api, message_id, there)).problem == "message_deleted"
    messages = (await api.get(messages_of(there))).json["messages"]
    assert messages == []
