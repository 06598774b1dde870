"""A conversation is made with all that it is about, by one request; whoever asks again changes nothing of it."""

import asyncio
from typing import Any

import pytest

from tests.bridge.api.client import Answer, Api
from tests.bridge.api.requests import CONTEXT, CONVERSATIONS, group, opened, pair
from tests.bridge.api.world import World
from tests.bridge.platform.sender import host, vendor
from tests.databases import both_databases

OF_PAIR = "/api/v1/parties/p-1/vendors/v-1/conversation"
OPENINGS: dict[str, dict[str, Any]] = {
    CONVERSATIONS: pair(),
    OF_PAIR: {"title": "Anna & Ben", "hosts": [host()], "vendor": {"name": "Sweet Bites"}},
    f"{CONVERSATIONS}/inquiries": {"host": host(), "vendor": vendor()},
    f"{CONVERSATIONS}/groups": group(),
    f"{CONVERSATIONS}/support": {"title": "Help", "person": host() | {"role": "host"}},
}
ONE_FOR_ALL = (CONVERSATIONS, OF_PAIR, f"{CONVERSATIONS}/inquiries")
"""Those that are there already when somebody asks again."""


def about(answer: Answer) -> dict[str, Any]:
    return {name: answer.json[name] for name in (*CONTEXT, "title")}


@both_databases
@pytest.mark.parametrize("path", OPENINGS)
async def test_it_is_made_with_what_it_is_about(api: Api, world: World, path: str) -> None:
    made = await api.post(path, OPENINGS[path] | CONTEXT)
    assert made.status == 201, made.json
    assert made.json.items() >= CONTEXT.items()
    here = f"{CONVERSATIONS}/{made.json['conversation_id']}"
    assert (await api.get(here)).json == made.json
    for filters in ({"booking_id": "b-2"}, {"event_id": "evt-9"}):
        (found,) = (await api.get(CONVERSATIONS, **filters)).json["conversations"]
        assert found == made.json
    told = {row["event"] for row in await world.database.fetch("SELECT event FROM feed")}
    assert "conversation.created" in told
    assert "conversation.updated" not in told
    assert "Three tiers" not in repr(await world.contents())


@pytest.mark.parametrize("path", ONE_FOR_ALL)
async def test_whoever_asks_again_changes_nothing_of_it(api: Api, world: World, path: str) -> None:
    made = await api.post(path, OPENINGS[path] | CONTEXT)
    before = await world.contents()
    for context in ({}, {"subject": "Flowers", "tags": [], "booking_ids": ["b-3"], "priority": None}):
        again = await api.post(path, OPENINGS[path] | context)
        assert (again.status, again.json) == (200, made.json)
        assert await world.contents() == before


@both_databases
async def test_of_many_who_ask_at_once_one_says_what_it_is_about(api: Api) -> None:
    def context(number: int) -> dict[str, Any]:
        return {
            "subject": f"No. {number}",
            "booking_ids": [f"b-{number}"],
            "event_id": f"evt-{number}",
        }

    answers = await asyncio.gather(
        *(api.post(CONVERSATIONS, pair() | context(number)) for number in range(8))
    )
    (first,) = (number for number, one in enumerate(answers) if one.status == 201)
    assert all(one.json.items() >= context(first).items() for one in answers)


async def test_what_was_opened_without_a_context_is_given_one_by_put(api: Api, world: World) -> None:
    here = await opened(api)
    before = await world.contents()
    again = await api.post(CONVERSATIONS, pair() | CONTEXT | {"title": "Cake"})
    assert (again.status, again.json["conversation_id"], again.json["subject"]) == (200, here, None)
    assert await world.contents() == before
    told = await api.send("PUT", f"{CONVERSATIONS}/{here}", CONTEXT | {"title": "Cake"})
    other = await api.post(CONVERSATIONS, pair("p-2", "v-2") | CONTEXT | {"title": "Cake"})
    assert about(told) == about(other)


async def test_a_title_of_its_own_is_the_rooms_name_from_the_start(api: Api) -> None:
    made = await api.post(CONVERSATIONS, pair() | {"title": "Cake"})
    assert (made.status, made.json["title"]) == (201, "Cake")
    asked = {"host": host(), "vendor": vendor(), "title": "A question"}
    assert (await api.post(f"{CONVERSATIONS}/inquiries", asked)).json["title"] == "A question"


@pytest.mark.parametrize("path", OPENINGS)
@pytest.mark.parametrize(
    ("context", "field"),
    [
        ({"subject": ""}, "subject"),
        ({"description": "\u0007"}, "description"),
        ({"category": " "}, "category"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"tags": [str(number) for number in range(21)]}, "tags"),
        ({"priority": "now"}, "priority"),
        ({"metadata": {"guests": {"adults": 80}}}, "metadata"),
        ({"booking_ids": ["b/1"]}, "booking_ids[0]"),
        ({"event_id": ""}, "event_id"),
        ({"lead_id": 9}, "lead_id"),
        ({"service_type": "a\nb"}, "service_type"),
        ({"resolution": "resolved"}, "resolution"),
        ({"status": "closed"}, "status"),
    ],
)
async def test_what_a_change_would_refuse_opens_nothing(
    api: Api, world: World, path: str, context: dict[str, Any], field: str
) -> None:
    before = await world.contents()
    refused = await api.post(path, OPENINGS[path] | context)
    assert refused.status == 422
    assert {one.split(".")[0] for one in refused.fields} == {field}
    assert await world.contents() == before
