"""A conversation to take away, by REST."""

import re
from typing import Any

import pytest
from aiohttp import ClientPayloadError

from bridge.core.ids import ConversationId
from bridge.export import service
from tests.bridge.api.client import Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, poll, said
from tests.bridge.api.world import World
from tests.databases import both_databases


def path_of(conversation_id: str) -> str:
    return f"{CONVERSATIONS}/{conversation_id}/export"


async def exported(api: Api, conversation_id: str) -> dict[str, Any]:
    answer = await api.post(path_of(conversation_id), {"format": "json"})
    assert answer.status == 200, answer.json
    found: dict[str, Any] = answer.json
    return found


async def page(api: Api, conversation_id: str) -> tuple[str, dict[str, str]]:
    headers = {"Authorization": f"Bearer {api.key}"}
    async with api.http.post(path_of(conversation_id), json={"format": "html"}, headers=headers) as response:
        assert response.status == 200
        return await response.text(), dict(response.headers)


@both_databases
async def test_all_that_was_said_is_told_in_order(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 3)
    conversation_id = await opened(api)
    ids = []
    for number in range(8):
        ids.append((await said(api, conversation_id, f"cake <{number}>")).json["message_id"])
        world.clock.advance(60_000)
    await api.send("PUT", f"/api/v1/messages/{ids[6]}", {"sender_id": "u-anna", "text": "no cake"})
    await api.request("DELETE", f"/api/v1/messages/{ids[2]}")
    async with world.database.transaction() as tx:
        stored = await world.conversation_store.get(tx, ConversationId(conversation_id))
        assert stored is not None
        await world.messages.announce(tx, stored, text="Booked.")

    told = await exported(api, conversation_id)
    assert [message["message_id"] for message in told["messages"]][:8] == ids
    contents = [message["content"] for message in told["messages"]]
    assert contents == [
        *("cake <0>", "cake <1>", "", "cake <3>", "cake <4>", "cake <5>", "no cake", "cake <7>"),
        "Booked.",
    ]
    assert {m["sender_name"] for m in told["messages"][:8]} == {"Anna"}
    assert told["messages"][8]["sender_name"] == "Festimo"
    flags = [(m["is_edited"], m["is_deleted"], m["deleted_at"] is not None) for m in told["messages"]]
    assert flags[6] == (True, False, False)
    assert flags[2] == (False, True, True)
    assert flags[0] == (False, False, False)
    assert [person["name"] for person in told["participants"]] == ["Anna", "Sweet Bites"]

    text, headers = await page(api, conversation_id)
    places = [text.index(f"cake &lt;{number}&gt;") for number in (0, 1, 3, 4, 5, 7)]
    assert places == sorted(places)
    assert text.count("This message was deleted.") == 1
    assert text.count("<article>") == 9
    assert "cake <" not in text
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Disposition"].startswith('attachment; filename="conversation-')
    assert "sandbox" in headers["Content-Security-Policy"]


@both_databases
async def test_what_became_of_what_was_said_is_told_too(api: Api, people: People, world: World) -> None:
    here = await opened(api)
    path = messages_of(here)
    asked = (await said(api, here, "Which menu\ndo you like?")).json["message_id"]
    answer = {"text": "This one", "html": "<b>This one</b>", "reply_to": asked, "mentions": ["u-anna"]}
    labels = {"priority": "high", "tags": ["menu"]}
    answered = (await people.sweet_bites.post(path, answer | labels)).json["message_id"]
    await people.anna.post(f"/api/v1/messages/{answered}/reactions", {"emoji": "🎂"})
    await people.anna.request("PUT", f"/api/v1/messages/{answered}/pin")
    polled = (await api.post(path, poll())).json["message_id"]
    await people.sweet_bites.send("PUT", f"/api/v1/messages/{polled}/poll/vote", {"answers": ["2"]})
    await people.anna.post(f"/api/v1/messages/{polled}/poll/close", {})
    place = {"latitude": 52.52, "longitude": 13.4, "description": "The hall"}
    await people.anna.post(path, {"message_type": "location", "location": place})
    await people.anna.post(f"/api/v1/messages/{asked}/forward", {"conversation_id": here})

    told = (await exported(people.anna, here))["messages"]
    _, answer_told, poll_told, place_told, again = told
    shown = (await people.anna.get(f"/api/v1/messages/{answered}")).json
    same = ("content", "html", "reply_to", "mentions", "reactions", "is_pinned", "priority", "tags")
    assert {name: answer_told[name] for name in same} == {name: shown[name] for name in same}
    assert (shown["is_pinned"], shown["reply_to"], len(shown["reactions"])) == (True, asked, 1)
    assert [one["votes"] for one in poll_told["poll"]["answers"]] == [0, 1]
    assert poll_told["poll"]["is_closed"] is True
    assert place_told["location"] == {**place, "uri": "geo:52.52,13.4"}
    assert (again["is_forwarded"], again["content"]) == (True, "Which menu\ndo you like?")

    text, _ = await page(people.anna, here)
    lines = re.sub("<[^>]*>", "", text)
    for expected in (
        "Anna 2027-01-15 08:00: Which menu do you like?\nThis one\n🎂 Anna\n",
        "pinned priority high tags: menu\n",
        "Vegan: 0Meat: 1",
        "Place: 52.52, 13.4",
        "forwarded\n",
    ):
        assert expected in lines

    # What she has deleted for herself is not quoted to her either.
    await people.anna.request("DELETE", f"/api/v1/messages/{asked}?for=me")
    hers, theirs = [(await page(one, here))[0] for one in (people.anna, people.sweet_bites)]
    assert (hers.count("<blockquote>"), theirs.count("<blockquote>")) == (0, 1)


async def test_an_empty_conversation_is_a_whole_export(api: Api) -> None:
    conversation_id = await opened(api)
    assert (await exported(api, conversation_id))["messages"] == []
    assert (await page(api, conversation_id))[0].endswith("</html>\n")


@both_databases
async def test_what_is_said_meanwhile_is_not_waited_for(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    await said(api, conversation_id, "before")
    stored = await world.conversation_store.get(world.database, ConversationId(conversation_id))
    assert stored is not None
    exports = service.Exports(
        world.conversation_store, world.message_store, world.reaction_store, world.clock
    )
    subject = await exports.subject(world.database, stored)
    await said(api, conversation_id, "after")
    pages = [found async for found in exports.messages(world.database, subject)]
    assert [[said.message.text for said in found] for found in pages] == [["before"]]


async def test_only_those_who_may_see_it_take_it_away(sides: Sides, people: People) -> None:
    conversation_id = await opened(sides.ours)
    refused = await sides.theirs.post(path_of(conversation_id), {})
    assert (refused.status, refused.problem) == (404, "not_found")
    assert (await sides.nobody.post(path_of(conversation_id), {})).status == 401

    assert (await people.who("vendor", "v-1").post(path_of(conversation_id), {})).status == 200
    assert (await people.who("vendor", "v-2").post(path_of(conversation_id), {})).status == 404


async def test_another_format_is_refused(api: Api) -> None:
    answer = await api.post(path_of(await opened(api)), {"format": "exe"})
    assert (answer.status, answer.problem, answer.fields) == (422, "invalid_input", ["format"])


async def test_one_that_breaks_off_does_not_look_whole(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 1)
    conversation_id = await opened(api)
    await said(api, conversation_id, "x" * 1000)
    damaged = (await said(api, conversation_id, "damaged")).json["message_id"]
    await said(api, conversation_id, "last")
    async with world.database.transaction() as tx:
        await tx.execute("UPDATE messages SET content = $2 WHERE message_id = $1", damaged, b"\1?")
    headers = {"Authorization": f"Bearer {api.key}"}
    with pytest.raises(ClientPayloadError):
        async with api.http.post(path_of(conversation_id), json={}, headers=headers) as response:
            await response.read()


async def test_it_can_be_read_by_a_program(api: Api) -> None:
    """Whatever was written."""
    conversation_id = await opened(api)
    text = 'a "quote" \\ \u2028 \U0001f382 </script>'
    await api.post(messages_of(conversation_id), {"sender_id": "v-1", "text": text})
    assert (await exported(api, conversation_id))["messages"][0]["content"] == text
