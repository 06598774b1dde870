"""Search by REST: who finds what, in which pages."""

import pytest

from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, poll, said
from tests.bridge.api.world import World
from tests.databases import both_databases

SEARCH = "/api/v1/messages/search"


async def search(api: Api, words: str, **fields: object) -> Answer:
    return await api.post(SEARCH, {"words": words} | fields)


def contents(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.json
    return [message["content"] for message in answer.json["messages"]]


def told(answer: Answer) -> list[str]:
    """As `contents`; of a poll, what it asks."""
    assert answer.status == 200, answer.json
    return [
        message["poll"]["question"] if message["poll"] else message["content"]
        for message in answer.json["messages"]
    ]


@both_databases
async def test_words_are_found_in_all_forms_newest_first(api: Api) -> None:
    conversation_id = await opened(api)
    for text in ("Two cakes", "No flowers", "A CAKE"):
        await said(api, conversation_id, text)
    assert contents(await search(api, "cake")) == ["A CAKE", "Two cakes"]
    assert contents(await search(api, "cake", conversation_id=conversation_id)) == ["A CAKE", "Two cakes"]
    path = f"{CONVERSATIONS}/{conversation_id}/search"
    assert contents(await api.get(path, q="cakes", kind="text")) == ["A CAKE", "Two cakes"]
    assert contents(await api.get(path, q="cakes", sender_id="nobody")) == []


async def test_an_edit_and_a_deletion_count_at_once(api: Api) -> None:
    conversation_id = await opened(api)
    message = (await said(api, conversation_id, "Two cakes")).json
    path = f"/api/v1/messages/{message['message_id']}"
    await api.send("PUT", path, {"sender_id": message["sender_id"], "text": "Two flowers"})
    assert contents(await search(api, "cake")) == []
    assert contents(await search(api, "flower")) == ["Two flowers"]
    await api.request("DELETE", path)
    assert contents(await search(api, "flower")) == []


@both_databases
async def test_pages_lead_through_all_and_only_their_own_search(api: Api) -> None:
    conversation_id = await opened(api)
    for number in range(7):
        await said(api, conversation_id, f"cake {number}")
    found, cursor = [], None
    while True:
        answer = await search(api, "cake", limit=3, **({} if cursor is None else {"cursor": cursor}))
        found += contents(answer)
        await said(api, conversation_id, "another cake")  # what comes meanwhile moves nothing
        if answer.json["next_cursor"] is None:
            break
        cursor = answer.json["next_cursor"]
        refused = await search(api, "cakes", limit=3, cursor=cursor)
        assert (refused.status, refused.problem) == (422, "invalid_cursor")
    assert found == [f"cake {number}" for number in range(6, -1, -1)]


async def test_a_span_of_time_begins_with_its_first_moment(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    times = []
    for text in ("first cake", "second cake", "third cake"):
        times.append((await said(api, conversation_id, text)).json["sent_at"])
        world.clock.advance(1)
    assert contents(await search(api, "cake", **{"from": times[1]})) == ["third cake", "second cake"]
    assert contents(await search(api, "cake", to=times[1])) == ["first cake"]
    path = f"{CONVERSATIONS}/{conversation_id}/search"
    query = {"from": times[1], "to": times[2]}
    assert contents(await api.get(path, q="cake", **query)) == ["second cake"]
    wrong = await search(api, "cake", **{"from": "yesterday"})
    assert (wrong.status, wrong.fields) == (422, ["from"])


async def test_another_tenant_finds_nothing_of_ours(sides: Sides) -> None:
    conversation_id = await opened(sides.ours)
    await said(sides.ours, conversation_id, "Two cakes")
    theirs = await opened(sides.theirs)
    await said(sides.theirs, theirs, "Their cake")
    assert contents(await search(sides.theirs, "cake")) == ["Their cake"]
    for answer in (
        await search(sides.theirs, "cake", conversation_id=conversation_id),
        await sides.theirs.get(f"{CONVERSATIONS}/{conversation_id}/search", q="cake"),
    ):
        assert (answer.status, answer.problem) == (404, "not_found")
    assert (await search(sides.nobody, "cake")).status == 401


@pytest.mark.parametrize(
    "wrong",
    [
        *({"words": ""}, {"words": "x" * 201}, {"words": 1}, {"q": "cake"}),
        *({"words": "?!"}, {"words": " _ "}, {"words": "?!", "kind": "text"}),
        *({}, {"limit": 5}, {"words": None}),
    ],
)
async def test_what_cannot_be_looked_for_is_refused(api: Api, wrong: dict[str, object]) -> None:
    answer = await api.post(SEARCH, wrong)
    assert (answer.status, answer.problem) == (422, "invalid_input")


async def test_what_holds_no_word_is_refused_in_a_conversation_too(api: Api) -> None:
    path = f"{CONVERSATIONS}/{await opened(api)}/search"
    answer = await api.get(path, q="?!")
    assert (answer.status, answer.problem, answer.json["field"]) == (422, "invalid_input", "q")


@both_databases
async def test_emoji_are_found(api: Api) -> None:
    conversation_id = await opened(api)
    for text in ("Cake? 🎂", "👍🏽", "🍰"):
        await said(api, conversation_id, text)
    assert contents(await search(api, "🎂")) == ["Cake? 🎂"]
    assert contents(await search(api, "👍")) == ["👍🏽"]


@both_databases
async def test_without_words_a_sender_a_kind_a_time_or_a_conversation_is_enough(
    api: Api, people: People, world: World
) -> None:
    here, there = await opened(api, "p-1", "v-1"), await opened(api, "p-2", "v-1")
    await said(api, here, "Cake?")
    await api.post(messages_of(here), poll())
    await api.post(messages_of(here), {"sender_id": "v-1", "text": "Yes"})
    world.clock.advance(60_000)
    since = (await api.post(messages_of(there), {"sender_id": "v-1", "text": "No"})).json["sent_at"]
    deleted = (await said(api, here, "Never mind")).json["message_id"]
    await api.request("DELETE", f"/api/v1/messages/{deleted}")
    question = poll()["poll"]["question"]
    path = f"{CONVERSATIONS}/{here}/search"
    # A program, Anna, and Sweet Bites each look from somewhere else.
    for who in (api, people.anna, people.sweet_bites):
        for asked, found in (
            ({"sender_id": "v-1"}, ["No", "Yes"]),
            ({"sender_id": "u-anna"}, [question, "Cake?"]),
            ({"sender_id": "u-anna", "kind": "text"}, ["Cake?"]),
            ({"kind": "poll"}, [question]),
            ({"from": since}, ["No"]),
            ({"to": since}, ["Yes", question, "Cake?"]),
            ({"to": since, "sender_id": "v-1"}, ["Yes"]),
            ({"conversation_id": there}, ["No"]),
        ):
            pages = [await who.post(SEARCH, asked | {"limit": 1})]
            while pages[-1].json["next_cursor"] is not None:
                cursor = pages[-1].json["next_cursor"]
                pages.append(await who.post(SEARCH, asked | {"limit": 1, "cursor": cursor}))
            assert [one for page in pages for one in told(page)] == found, asked
            assert {page.json["complete"] for page in pages} == {True}, "no index is asked"
        assert told(await who.get(path)) == ["Yes", question, "Cake?"]
        assert told(await who.get(path, sender_id="v-1", kind="text")) == ["Yes"]


async def test_there_is_no_message_of_the_name_search(api: Api) -> None:
    async with api.http.get(SEARCH, headers={"Authorization": f"Bearer {api.key}"}) as response:
        assert response.status == 405


async def test_it_says_when_older_messages_are_missing_still(api: Api, world: World) -> None:
    await said(api, await opened(api), "Two cakes")
    assert (await search(api, "cake")).json["complete"] is False
    while await world.backfill.step():
        pass
    assert (await search(api, "cake")).json["complete"] is True


@both_databases
async def test_people_find_what_was_said_where_they_take_part(api: Api, people: People) -> None:
    ours, others = await opened(api, "p-1", "v-1"), await opened(api, "p-1", "v-2")
    await said(api, ours, "Two cakes")
    await api.post(messages_of(others), {"sender_id": "v-2", "text": "A cake of others"})
    vendor, nobody = people.sweet_bites, people.who("vendor", "v-9")
    for everybody in (people.anna, people.who("admin", "u-chief")):
        assert contents(await search(everybody, "cake")) == ["A cake of others", "Two cakes"]
    assert contents(await search(vendor, "cake")) == ["Two cakes"]
    assert contents(await search(nobody, "cake")) == []
    assert (await search(nobody, "cake", conversation_id=ours)).status == 404
    assert (await search(vendor, "cake", conversation_id=others)).status == 404
    assert (await vendor.get(f"{CONVERSATIONS}/{others}/search", q="cake")).status == 404
