"""Texts that are kept ready: whose they are, what stands for their variables, and that they are said as messages."""

from typing import Any

import pytest

from bridge.messages.quick_replies import rules
from bridge.messages.quick_replies.errors import UnknownVariable
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import SOON, group_opened, messages_of, opened, pair
from tests.bridge.api.world import MAX_TEXT_LENGTH, World

PATH = "/api/v1/quick-replies"
GREETING = {
    "title": "Greeting",
    "text": "Dear {{host_name}}, {{ vendor_name }} is happy to cook for {{party_title}}. {{host_name}}!",
    "category": "hello",
}


def one(made: Answer) -> str:
    return f"{PATH}/{made.json['quick_reply_id']}"


async def titles(api: Api, **query: Any) -> list[str]:
    return [found["title"] for found in (await api.get(PATH, **query)).json["quick_replies"]]


async def test_a_quick_reply_is_kept_changed_and_deleted(people: People, world: World) -> None:
    made = await people.sweet_bites.post(PATH, GREETING)
    assert made.status == 201
    assert made.headers["Location"] == one(made)
    assert made.json["variables"] == ["host_name", "vendor_name", "party_title"]
    assert {name: made.json[name] for name in GREETING} == GREETING
    assert made.json["owner_id"] == "v-1"
    assert (await people.sweet_bites.get(one(made))).json == made.json
    rows = await world.database.fetch("SELECT content FROM quick_replies")
    assert not [row for row in rows if b"Dear" in row["content"] or b"Greeting" in row["content"]]
    world.clock.advance(1_000)
    changed = await people.sweet_bites.send("PUT", one(made), {"title": "Hi", "text": "Hi {{host_name}}"})
    assert (changed.json["title"], changed.json["category"]) == ("Hi", None)
    assert changed.json["updated_at"] > changed.json["created_at"] == made.json["created_at"]
    assert (await people.sweet_bites.request("DELETE", one(made))).json == changed.json
    assert (await people.sweet_bites.get(one(made))).problem == "not_found"
    assert await titles(people.sweet_bites) == []


async def test_everybody_has_their_own_and_those_of_the_tenant(people: People, world: World) -> None:
    ours = people.sides.ours
    shared = await ours.post(PATH, GREETING | {"title": "Shared"})
    own = await people.anna.post(PATH, GREETING | {"title": "Anna's"})
    await ours.post(PATH, GREETING | {"title": "For Anna", "owner_id": "u-anna", "category": "other"})
    await people.sides.theirs.post(PATH, GREETING | {"title": "Theirs"})
    assert shared.json["owner_id"] is None
    assert await titles(people.anna) == ["Shared", "Anna's", "For Anna"]
    assert await titles(people.anna, category="other") == ["For Anna"]
    assert await titles(ours, owner_id="u-anna") == ["Shared", "Anna's", "For Anna"]
    assert await titles(people.sweet_bites) == await titles(ours) == ["Shared"]
    before = await world.contents()
    for answer, status, problem in (
        (await people.anna.request("DELETE", one(shared)), 403, "not_allowed"),
        (await people.anna.send("PUT", one(shared), GREETING), 403, "not_allowed"),
        (await people.sweet_bites.get(one(own)), 404, "not_found"),
        (await people.sweet_bites.request("DELETE", one(own)), 404, "not_found"),
        (await people.sweet_bites.post(PATH, GREETING | {"owner_id": "u-anna"}), 403, "not_yourself"),
        (await people.sweet_bites.get(PATH, owner_id="u-anna"), 403, "not_yourself"),
    ):
        assert (answer.status, answer.problem) == (status, problem)
    assert await world.contents() == before
    page = (await people.anna.get(PATH, limit=2)).json
    assert await titles(people.anna, limit=2, cursor=page["next_cursor"]) == ["For Anna"]


async def test_it_is_said_as_a_message_with_its_variables_filled_in(people: People, api: Api) -> None:
    """Once: what somebody's name holds is no variable."""
    asked = pair()
    asked["party"]["hosts"] = [
        {"id": "u-anna", "name": "Anna {{vendor_name}}"},
        {"id": "u-ben", "name": "Ben"},
    ]
    asked["party"]["title"] = "Anna & Ben"
    conversation_id = (await api.post("/api/v1/conversations", asked)).json["conversation_id"]
    made = await people.sweet_bites.post(PATH, GREETING)
    body = {"quick_reply_id": made.json["quick_reply_id"]}
    said = await people.sweet_bites.post(messages_of(conversation_id), body)
    hosts = "Anna {{vendor_name}} & Ben"
    expected = f"Dear {hosts}, Sweet Bites is happy to cook for Anna & Ben. {hosts}!"
    assert (said.status, said.json["content"], said.json["message_type"]) == (201, expected, "text")
    later = await people.sweet_bites.post(messages_of(conversation_id), body | {"send_at": SOON})
    assert (later.status, later.json["content"]) == (202, expected)
    # Anna has none of this id, and a program says it for whose it is.
    assert (await people.anna.post(messages_of(conversation_id), body)).problem == "not_found"
    assert (
        await api.post(messages_of(conversation_id), body | {"sender_id": "u-anna"})
    ).problem == "not_found"
    assert (await api.post(messages_of(conversation_id), body | {"sender_id": "v-1"})).status == 201


async def test_what_cannot_be_said_is_not(people: People, world: World, api: Api) -> None:
    here, inquiry = await opened(api), await group_opened(api)
    long = await api.post(PATH, {"title": "Long", "text": "x" * (MAX_TEXT_LENGTH - 20) + "{{party_title}}"})
    asked = pair("p-long")
    asked["party"]["title"] = "A party with a very long title"
    elsewhere = (await api.post("/api/v1/conversations", asked)).json["conversation_id"]
    made = await api.post(PATH, GREETING)
    before = await world.contents()
    for conversation_id, body, problem in (
        (inquiry, {"quick_reply_id": made.json["quick_reply_id"]}, "nothing_to_fill_in"),
        (elsewhere, {"quick_reply_id": long.json["quick_reply_id"]}, "text_too_long"),
        (here, {"quick_reply_id": "unknown"}, "not_found"),
        (here, {"quick_reply_id": made.json["quick_reply_id"], "text": "Hello"}, "invalid_input"),
        (here, {"quick_reply_id": made.json["quick_reply_id"], "html": "<b>Hello</b>"}, "invalid_input"),
        (here, {}, "invalid_input"),
    ):
        answer = await people.anna.post(messages_of(conversation_id), body)
        assert answer.problem == problem, body
    assert await world.contents() == before


@pytest.mark.parametrize(
    "text",
    [
        "Dear {{customer}}",
        "Dear {{host_name.__class__}}",
        "Dear {{ 7 * 7 }}",
        "Dear {{host_name",
        "Dear host_name}}",
        "{{}}",
        "{% for x in y %}{{x}}",
        "{{HOST_NAME}}",
    ],
)
def test_a_variable_that_there_is_none_of_is_refused(text: str) -> None:
    with pytest.raises(UnknownVariable):
        rules.variables_of(text)


@pytest.mark.parametrize("text", ["no variable", "{one} brace", "{% raw %}", "{{{host_name}}{", "$host_name"])
def test_what_looks_like_a_template_elsewhere_is_text(text: str) -> None:
    names = rules.variables_of(text)
    assert rules.filled(text, {"host_name": "Anna"}) == text.replace("{{host_name}}", "Anna")
    assert set(names) <= set(rules.VARIABLES)


async def test_an_unknown_variable_is_refused_when_it_is_saved(people: People, world: World) -> None:
    made = await people.anna.post(PATH, GREETING)
    before = await world.contents()
    wrong = {"title": "Greeting", "text": "Dear {{customer}}"}
    for answer in (await people.anna.post(PATH, wrong), await people.anna.send("PUT", one(made), wrong)):
        assert (answer.status, answer.problem, answer.json["field"]) == (422, "unknown_variable", "text")
    assert await world.contents() == before


async def test_nobody_keeps_more_than_they_can_use(monkeypatch: pytest.MonkeyPatch, people: People) -> None:
    monkeypatch.setattr(rules, "MOST", 1)
    assert (await people.anna.post(PATH, GREETING)).status == 201
    assert (await people.anna.post(PATH, GREETING)).problem == "too_many_quick_replies"
    assert (await people.sweet_bites.post(PATH, GREETING)).status == 201
