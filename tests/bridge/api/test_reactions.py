"""Reactions and pins by REST: by programs for people, and by people for themselves only."""

from typing import Any
from urllib.parse import quote

import pytest

from appservice.outbound.rooms import OWNER, levels_of
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, said
from tests.bridge.api.world import OURS, THEIRS, World
from tests.databases import both_databases

THUMB = {"emoji": "👍", "count": 1, "participants": ["u-anna"], "mine": False}


def place(message_id: str, emoji: str | None = None) -> str:
    path = f"/api/v1/messages/{message_id}/reactions"
    return path if emoji is None else f"{path}/{quote(emoji, safe='')}"


async def react(api: Api, message_id: str, emoji: str = "👍", sender_id: str | None = "u-anna") -> Answer:
    body = {"emoji": emoji} | ({} if sender_id is None else {"sender_id": sender_id})
    return await api.post(place(message_id), body)


async def take_back(api: Api, message_id: str, emoji: str = "👍", **query: str) -> Answer:
    return await api.request("DELETE", place(message_id, emoji), params=query)


async def pin(api: Api, message_id: str, method: str = "PUT") -> Answer:
    return await api.request(method, f"/api/v1/messages/{message_id}/pin")


async def events(world: World) -> list[str]:
    rows = await world.database.fetch("SELECT topic FROM outbox ORDER BY seq")
    return [row["topic"] for row in rows]


@pytest.fixture
async def message_id(api: Api) -> str:
    return str((await said(api, await opened(api))).json["message_id"])


@pytest.fixture
def people(world: World, sides: Sides) -> Any:
    """`people("host", "u-anna")` is her client."""
    tenants = {"ours": OURS, "theirs": THEIRS}
    everybody = People(sides, world)
    return lambda role, participant_id="u-chief", tenant="ours": everybody.who(
        role, participant_id, tenants[tenant]
    )


@both_databases
async def test_a_reaction_is_made_shown_and_taken_back(api: Api, world: World, message_id: str) -> None:
    added = await react(api, message_id)
    assert (added.status, added.json) == (201, {"message_id": message_id, "reactions": [THUMB]})
    before = await world.contents()
    again = await react(api, message_id)
    assert (again.status, again.json) == (200, added.json)
    assert await world.contents() == before
    assert (await api.get(place(message_id))).json == added.json
    shown = (await api.get(f"/api/v1/messages/{message_id}")).json
    assert shown["reactions"] == [THUMB]
    assert (await api.get(messages_of(shown["conversation_id"]))).json["messages"] == [shown]
    removed = await take_back(api, message_id, sender_id="u-anna")
    assert (removed.status, removed.json["reactions"]) == (200, [])
    before = await world.contents()
    assert (await take_back(api, message_id, sender_id="u-anna")).json == removed.json
    assert await world.contents() == before
    assert (await events(world))[-2:] == ["matrix.ReactionAdded", "matrix.ReactionRemoved"]


@pytest.mark.parametrize(
    ("emoji", "sender_id", "status", "problem", "field"),
    [
        ("", "u-anna", 422, "invalid_input", "emoji"),
        ("\u200d", "u-anna", 422, "invalid_input", "emoji"),  # nothing to see
        ("a\nb", "u-anna", 422, "invalid_input", "emoji"),
        ("\u202ea", "u-anna", 422, "invalid_input", "emoji"),  # turns around what follows
        ("n/a", "u-anna", 422, "invalid_input", "emoji"),
        ("x" * 65, "u-anna", 422, "invalid_input", "emoji"),
        ("👍", "u-nobody", 409, "not_a_participant", "sender_id"),
        ("👍", None, 422, "invalid_input", "sender_id"),
    ],
)
async def test_what_is_no_reaction_is_refused(
    api: Api,
    world: World,
    message_id: str,
    emoji: str,
    sender_id: str | None,
    status: int,
    problem: str,
    field: str,
) -> None:
    before = await world.contents()
    answer = await react(api, message_id, emoji, sender_id)
    assert (answer.status, answer.problem, answer.json["field"]) == (status, problem, field)
    if "/" not in emoji and emoji:
        removal = await take_back(
            api, message_id, emoji, **({} if sender_id is None else {"sender_id": sender_id})
        )
        assert (removal.status, removal.problem) == (status, problem)
    assert await world.contents() == before


async def test_what_is_deleted_has_no_reactions(api: Api, world: World, message_id: str) -> None:
    await react(api, message_id)
    deleted = (await api.request("DELETE", f"/api/v1/messages/{message_id}")).json
    assert (deleted["reactions"], deleted["is_pinned"]) == ([], False)
    assert (await api.get(place(message_id))).json["reactions"] == []
    before = await world.contents()
    assert (await react(api, message_id, "🎂")).problem == "message_deleted"
    assert (await pin(api, message_id)).problem == "message_deleted"
    assert await world.contents() == before


async def test_a_person_reacts_as_themselves_only(
    api: Api, world: World, message_id: str, people: Any
) -> None:
    anna, chef = people("host", "u-anna"), people("vendor", "v-1")
    for own in (None, "u-anna"):
        assert (await react(anna, message_id, "👍", own)).json["reactions"] == [THUMB | {"mine": True}]
    assert (await chef.get(place(message_id))).json["reactions"] == [THUMB]
    before = await world.contents()
    for refused in (
        await react(chef, message_id, "🎂", "u-anna"),
        await take_back(chef, message_id, sender_id="u-anna"),
        await react(people("host"), message_id, "🎂", None),
    ):
        assert (refused.status, refused.problem) in ((403, "not_yourself"), (404, "not_found"))
    assert await world.contents() == before
    assert (await take_back(anna, message_id)).json["reactions"] == []


async def test_to_whom_a_conversation_is_closed_its_messages_are_not_there(
    api: Api, world: World, message_id: str, people: Any
) -> None:
    await opened(api, "p-2", "v-2")
    before = await world.contents()
    for stranger in (people("vendor", "v-2"), people("host", "u-anna", "theirs"), people("host", "u-nobody")):
        for answer in (
            await stranger.get(place(message_id)),
            await react(stranger, message_id, "👍", None),
            await take_back(stranger, message_id),
            await pin(stranger, message_id),
            await pin(stranger, message_id, "DELETE"),
        ):
            assert (answer.status, answer.problem) == (404, "not_found")
    assert await world.contents() == before


@both_databases
async def test_messages_are_pinned_by_owners_and_programs(
    api: Api, world: World, message_id: str, people: Any
) -> None:
    pinned = await pin(people("host", "u-anna"), message_id)
    assert (pinned.status, pinned.json["is_pinned"]) == (200, True)
    assert (await api.get(f"/api/v1/messages/{message_id}")).json["is_pinned"] is True
    before = await world.contents()
    for method in ("PUT", "DELETE"):
        refused = await pin(people("vendor", "v-1"), message_id, method)
        assert (refused.status, refused.problem) == (403, "not_an_owner")
    assert (await pin(api, message_id)).json == pinned.json
    assert await world.contents() == before
    assert (await pin(api, message_id, "DELETE")).json["is_pinned"] is False
    assert (await events(world))[-2:] == ["matrix.PinsChanged"] * 2


async def test_whose_group_it_is_pins_whatever_they_are_elsewhere(
    api: Api, world: World, people: Any
) -> None:
    """As in the room, where the level of an owner or admin is asked for."""
    new = {
        "title": "Decoration",
        "owner": {"id": "v-1", "name": "Sweet Bites", "role": "vendor"},
        "participants": [
            {"id": "u-ben", "name": "Ben", "role": "host"},
            {"id": "v-2", "name": "Balloon Bliss", "role": "vendor", "standing": "admin"},
        ],
    }
    here = (await api.post(f"{CONVERSATIONS}/groups", new)).json["conversation_id"]
    message = (await api.post(messages_of(here), {"sender_id": "u-ben", "text": "Ivory?"})).json["message_id"]
    before = await world.contents()
    refused = await pin(people("host", "u-ben"), message)
    assert (refused.status, refused.problem) == (403, "not_an_owner")
    assert await world.contents() == before
    for vendor_id in ("v-1", "v-2"):
        assert (await pin(people("vendor", vendor_id), message)).json["is_pinned"] is True
        assert (await pin(people("vendor", vendor_id), message, "DELETE")).json["is_pinned"] is False
    stored = await world.conversation_store.get(world.database, here)
    members = await world.conversation_store.members(world.database, here)
    assert stored is not None
    levels = levels_of(stored, members, lambda person: person.participant_id)
    assert (levels["users"], levels["events"]) == (
        {"v-1": OWNER, "v-2": OWNER},
        {"m.room.pinned_events": OWNER},
    )
