"""Closed, left, blocked: whatever somebody asks for by REST, one rule refuses it before anything is stored."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, said
from tests.bridge.api.test_access import failed
from tests.bridge.api.world import World
from tests.bridge.platform.sender import host, vendor
from tests.databases import one_database

CHEF = "v-1"
Ask = Callable[[Api, str, str], Awaitable[Answer]]
"""Done for the vendor by a program, in a conversation, to a message of theirs."""


async def post(api: Api, here: str, _: str) -> Answer:
    return await api.post(messages_of(here), {"sender_id": CHEF, "text": "Hello"})


async def post_in(api: Api, here: str, _: str) -> Answer:
    return await api.post("/api/v1/messages", {"conversation_id": here, "sender_id": CHEF, "text": "Hello"})


async def forward(api: Api, here: str, message: str) -> Answer:
    body = {"conversation_id": here, "sender_id": CHEF}
    return await api.post(f"/api/v1/messages/{message}/forward", body)


async def edit(api: Api, _: str, message: str) -> Answer:
    return await api.send("PUT", f"/api/v1/messages/{message}", {"sender_id": CHEF, "text": "Hi"})


async def delete(api: Api, _: str, message: str) -> Answer:
    return await api.request("DELETE", f"/api/v1/messages/{message}", params={"sender_id": CHEF})


async def retry(api: Api, _: str, message: str) -> Answer:
    return await api.request("POST", f"/api/v1/messages/{message}/retry")


async def react(api: Api, _: str, message: str) -> Answer:
    return await api.post(f"/api/v1/messages/{message}/reactions", {"sender_id": CHEF, "emoji": "🎂"})


async def take_back(api: Api, _: str, message: str) -> Answer:
    path = f"/api/v1/messages/{message}/reactions/%F0%9F%91%8D"
    return await api.request("DELETE", path, params={"sender_id": CHEF})


async def close(api: Api, here: str) -> None:
    assert (await api.request("POST", f"{CONVERSATIONS}/{here}/close")).status == 200


async def archive_closed(api: Api, here: str) -> None:
    await close(api, here)
    assert (await api.request("POST", f"{CONVERSATIONS}/{here}/archive")).status == 200


async def leave(api: Api, here: str) -> None:
    path = f"{CONVERSATIONS}/{here}/leave"
    assert (await api.request("POST", path, params={"participant_id": CHEF})).status == 200


async def block(api: Api, here: str) -> None:
    assert (await api.post(f"{CONVERSATIONS}/{here}/block", {"side": "vendor"})).status == 200


State = Callable[[Api, str], Awaitable[None]]
STATES: dict[State, tuple[int, str]] = {
    close: (409, "conversation_closed"),
    archive_closed: (409, "conversation_closed"),
    leave: (403, "not_allowed"),
    block: (409, "conversation_blocked"),
}


@one_database
@pytest.mark.parametrize("state", STATES, ids=lambda one: one.__name__)
@pytest.mark.parametrize(
    "ask", [post, post_in, forward, edit, delete, retry, react, take_back], ids=lambda one: one.__name__
)
async def test_one_rule_refuses_it_all(api: Api, world: World, state: State, ask: Ask) -> None:
    here = await opened(api)
    message = (await post(api, here, "")).json["message_id"]
    await api.post(f"/api/v1/messages/{message}/reactions", {"sender_id": CHEF, "emoji": "👍"})
    if ask is retry:
        await failed(world, message)
    await state(api, here)
    before = await world.contents()
    answer = await ask(api, here, message)
    assert (answer.status, answer.problem) == STATES[state]
    assert await world.contents() == before


async def test_staff_still_delete_and_pin_in_a_closed_conversation_and_its_hosts_do_not(
    api: Api, people: People, world: World
) -> None:
    here = await opened(api)
    message = (await said(api, here)).json["message_id"]
    await close(api, here)
    before = await world.contents()
    for method in ("PUT", "DELETE"):
        refused = await people.anna.request(method, f"/api/v1/messages/{message}/pin")
        assert (refused.status, refused.problem) == (409, "conversation_closed")
    assert await world.contents() == before
    assert (await api.request("PUT", f"/api/v1/messages/{message}/pin")).json["is_pinned"]
    assert (await api.request("DELETE", f"/api/v1/messages/{message}")).json["is_deleted"]


async def test_an_archived_conversation_that_was_not_closed_goes_on(api: Api) -> None:
    here = await opened(api)
    assert (await api.request("POST", f"{CONVERSATIONS}/{here}/archive")).status == 200
    message = (await post(api, here, "")).json["message_id"]
    for ask in (edit, react, delete):
        assert (await ask(api, here, message)).status in (200, 201)


async def test_who_is_blocked_finds_nothing_of_it_until_it_is_over(api: Api, people: People) -> None:
    here = await opened(api)
    message = (await said(api, here, "Vanilla")).json["message_id"]
    chef = people.sweet_bites
    assert (await chef.get(f"{CONVERSATIONS}/{here}")).status == 200
    await block(people.anna, here)
    await said(api, here, "Vanilla among ourselves")
    asked: dict[str, dict[str, str]] = {
        f"{CONVERSATIONS}/{here}": {},
        messages_of(here): {},
        f"{CONVERSATIONS}/{here}/search": {"q": "vanilla"},
        f"{CONVERSATIONS}/{here}/typing": {},
        f"{CONVERSATIONS}/{here}/presence": {},
        "/api/v1/parties/p-1/conversations": {},
        "/api/v1/messages": {"conversation_id": here},
        f"/api/v1/messages/{message}": {},
        f"/api/v1/messages/{message}/reactions": {},
        "/api/v1/messages/stats": {"conversation_id": here},
    }
    for path, query in asked.items():
        assert (await chef.get(path, **query)).problem == "not_found", path
    assert (await chef.post(f"{CONVERSATIONS}/{here}/export", {"format": "json"})).problem == "not_found"
    assert (await chef.post(messages_of(here), {"text": "Hello"})).problem == "not_found"
    assert (await chef.get(CONVERSATIONS)).json["conversations"] == []
    assert (await chef.post("/api/v1/messages/search", {"words": "vanilla"})).json["messages"] == []
    assert (await chef.get(f"{CONVERSATIONS}/unread")).json["unread_count"] == 0
    for staff in (api, people.who("admin", "u-chief")):
        assert len((await staff.get(messages_of(here))).json["messages"]) == 2
    assert (await people.anna.request("POST", f"{CONVERSATIONS}/{here}/reopen")).status == 200
    assert [one["content"] for one in (await chef.get(messages_of(here))).json["messages"]] == ["Vanilla"]


async def test_support_is_settled_and_open_again(api: Api, people: People, world: World) -> None:
    asked = {
        "title": "Help",
        "person": vendor() | {"role": "vendor"},
        "staff": [{"id": "s-1", "name": "Sam"}],
    }
    made = (await api.post(f"{CONVERSATIONS}/support", asked)).json
    here = f"{CONVERSATIONS}/{made['conversation_id']}"
    assert (made["resolution"], made["resolved_at"]) == ("open", None)
    world.clock.advance(5_000)
    settled = (await people.sweet_bites.send("PUT", here, {"resolution": "resolved"})).json
    assert (settled["resolution"], settled["resolved_at"]) == ("resolved", settled["updated_at"])
    world.clock.advance(5_000)
    again = (await api.send("PUT", here, {"resolution": "resolved", "subject": "Invoices"})).json
    assert again["resolved_at"] == settled["resolved_at"]
    opened_again = (await api.send("PUT", here, {"resolution": None})).json
    assert (opened_again["resolution"], opened_again["resolved_at"]) == ("open", None)
    direct = f"{CONVERSATIONS}/{await opened(api)}"
    assert (await api.get(direct)).json["resolution"] is None
    before = await world.contents()
    refused = await api.send("PUT", direct, {"resolution": "resolved", "subject": "Cake"})
    assert (refused.status, refused.problem) == (409, "not_support")
    assert await world.contents() == before


async def test_a_conversation_shows_how_fast_it_is_answered(api: Api, world: World) -> None:
    here = await opened(api)
    asked_at = (await said(api, here)).json["sent_at"]

    async def metrics() -> dict[str, Any]:
        found: dict[str, Any] = (await api.get(f"{CONVERSATIONS}/{here}")).json["metrics"]
        return found

    nobody = {"host_response_time": None, "vendor_response_time": None, "staff_response_time": None}
    assert await metrics() == nobody | {"unanswered_since": asked_at}
    world.clock.advance(90_500)
    answered_at = (await post(api, here, "")).json["sent_at"]
    assert await metrics() == nobody | {"vendor_response_time": 90.5, "unanswered_since": answered_at}
    (listed,) = (await api.get(CONVERSATIONS)).json["conversations"]
    assert listed["metrics"] == await metrics()


async def test_the_conversation_of_a_pair_is_opened_by_their_ids(api: Api, people: People) -> None:
    path = "/api/v1/parties/p-1/vendors/v-1/conversation"
    unknown = await api.post(path, {})
    assert (unknown.status, unknown.problem, unknown.json["field"]) == (404, "not_found", "party_id")
    named = {"title": "Anna & Ben", "hosts": [host()]}
    assert (await api.post(path, named)).json["field"] == "vendor_id"
    made = await api.post(path, named | {"vendor": {"name": "Sweet Bites", "vendor_type": "caterer"}})
    assert (made.status, made.json["title"]) == (201, "Anna & Ben x Sweet Bites")
    assert made.headers["Location"] == f"{CONVERSATIONS}/{made.json['conversation_id']}"
    again = await api.post(path, {})
    assert (again.status, again.json) == (200, made.json)
    other = await api.post("/api/v1/parties/p-1/vendors/v-2/conversation", {"vendor": {"name": "Petals"}})
    assert (other.status, other.json["title"], other.json["host_id"]) == (
        201,
        "Anna & Ben x Petals",
        host()["id"],
    )
    assert (await people.anna.post(path, {})).problem == "forbidden"


async def test_older_clients_name_the_conversation_in_body_and_query(api: Api, people: People) -> None:
    here, other = await opened(api), await opened(api, "p-2", "v-2")
    ids = []
    for text in ("one", "two", "three"):
        body = {"conversation_id": here, "text": text}
        made = await people.anna.post("/api/v1/messages", body)
        assert made.status == 201
        ids.append(made.json["message_id"])
    for name in ("conversation_id", "conversationId", "channelId"):
        query: dict[str, str | int] = {name: here}
        listed = await people.anna.get("/api/v1/messages", **query, limit=2)
        assert [one["content"] for one in listed.json["messages"]] == ["two", "three"]
        before = await people.anna.get("/api/v1/messages", **query, before=listed.json["before"])
        assert [one["content"] for one in before.json["messages"]] == ["one"]
    for path in (messages_of(here), f"/messaging/messages?conversationId={here}"):
        found = await api.http.get(
            path, params={"before_message_id": ids[1]}, headers={"Authorization": f"Bearer {api.key}"}
        )
        assert [one["content"] for one in (await found.json())["messages"]] == ["one"]
    theirs = (await said(api, other)).json["message_id"]
    for message in (theirs, "unknown"):
        refused = await api.get(messages_of(here), before_message_id=message)
        assert (refused.status, refused.json["field"]) == (404, "before_message_id")
    nothing: dict[str, str | int] = {}
    twice: dict[str, str | int] = {"conversation_id": here, "channelId": here}
    for query in (nothing, twice):
        assert (await api.get("/api/v1/messages", **query)).problem == "invalid_input"
    both: dict[str, str | int] = {"before_message_id": ids[1], "before": "x"}
    assert (await api.get(messages_of(here), **both)).fields == ["before_message_id"]
    for refused in (
        await people.sweet_bites.post("/api/v1/messages", {"conversation_id": other, "text": "Hello"}),
        await people.sweet_bites.get("/api/v1/messages", conversation_id=other),
    ):
        assert (refused.status, refused.problem) == (404, "not_found")
