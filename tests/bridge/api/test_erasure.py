"""The API does nothing with who asked to be erased, and nothing for them."""

from typing import Any

import pytest

from bridge.core.ids import ParticipantId
from bridge.participants.door import NotErased
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import CONVERSATIONS, group, messages_of, opened, pair, scheduled
from tests.bridge.api.test_access import BODIES
from tests.bridge.api.world import OURS, World
from tests.bridge.platform.sender import host
from tests.databases import both_databases


async def erase(world: World, who: str = "u-anna") -> None:
    async with world.database.transaction() as tx:
        assert await world.erasures.begin(tx, OURS, ParticipantId(who))


@both_databases
async def test_their_token_opens_nothing_from_then_on(people: People, world: World) -> None:
    conversation = await opened(people.sides.ours)
    anna = await world.credentials.caller_of(str(people.anna.key))
    assert anna is not None
    assert await world.credentials.still_holds(anna)
    await erase(world)
    for path in (CONVERSATIONS, f"{CONVERSATIONS}/{conversation}", "/api/v1/vendors"):
        answer = await people.anna.get(path)
        assert (answer.status, answer.problem) == (401, "unauthorized")
    assert not await world.credentials.still_holds(anna), "sockets that are open end"
    assert (await people.sweet_bites.get(f"{CONVERSATIONS}/{conversation}")).status == 200
    theirs = NotErased(world.tokens, world.database)
    assert await theirs.caller_of("no token") is None


SAID: dict[str, Any] = {"sender_id": "u-anna", "text": "Hello"}


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        # Nothing is said or done in their name.
        ("POST", "/api/v1/conversations/{id}/messages", SAID, "not_allowed"),
        ("POST", "/api/v1/vendors/v-1/rate", {"host_id": "u-anna", "rating": 5}, "no_conversation"),
        ("PUT", "/api/v1/presence", {"participant_id": "u-anna", "presence": "online"}, "person_erased"),
        ("PUT", "/api/v1/participants/u-anna/account", {"mxid": "@new:example.org"}, "person_erased"),
        (
            "POST",
            "/api/v1/typing",
            {"participant_id": "u-anna", "conversation_id": "{id}", "typing": True},
            "not_a_participant",
        ),
        ("PUT", "/api/v1/conversations/{id}/read", {"participant_id": "u-anna"}, "not_a_participant"),
        # They are brought into nothing.
        ("POST", CONVERSATIONS, pair(), "person_erased"),
        ("POST", CONVERSATIONS, pair("p-2", "v-2"), "person_erased"),
        ("POST", f"{CONVERSATIONS}/inquiries", BODIES["openInquiry"], "person_erased"),
        ("POST", f"{CONVERSATIONS}/groups", group(), "person_erased"),
        ("POST", f"{CONVERSATIONS}/support", BODIES["openSupport"], "person_erased"),
        ("POST", "/api/v1/leads", BODIES["openLead"], "person_erased"),
    ],
)
async def test_nobody_does_anything_in_their_name(
    people: People, world: World, method: str, path: str, body: dict[str, Any], problem: str
) -> None:
    conversation = await opened(people.sides.ours)
    await erase(world)
    before = await world.contents()
    body = {name: conversation if value == "{id}" else value for name, value in body.items()}
    answer = await people.sides.ours.send(method, path.replace("{id}", conversation), body)
    assert answer.problem == problem
    assert await world.contents() == before


async def test_a_vendor_is_changed_no_more(people: People, world: World) -> None:
    await opened(people.sides.ours)
    await erase(world, "v-1")
    before = await world.contents()
    for path, body in (("", {"specialties": ["cakes"]}), ("/status", {"status": "away"})):
        answer = await people.sides.ours.send("PUT", f"/api/v1/vendors/v-1{path}", body)
        assert answer.problem == "person_erased"
    assert await world.contents() == before


async def test_what_they_had_scheduled_is_not_said(people: People, world: World) -> None:
    conversation = await opened(people.sides.ours)
    one = await scheduled(people.sides.ours, conversation)
    await erase(world)
    world.clock.advance(2 * 60 * 60 * 1000)
    await world.due_messages.do_due()
    listed = await people.sides.ours.get(messages_of(conversation))
    assert listed.json["messages"] == []
    view = await people.sides.ours.get(f"/api/v1/scheduled-messages/{one.json['scheduled_id']}")
    assert view.json["status"] == "failed"


async def test_the_others_do_not_meet_them_anew(people: People, world: World) -> None:
    await erase(world, "u-ben")
    asked = pair()
    asked["party"]["hosts"] = [host(), host() | {"id": "u-ben", "mxid": None, "avatar_url": None}]
    answer = await people.sides.ours.post(CONVERSATIONS, asked)
    assert answer.problem == "person_erased"
    assert await world.database.fetch("SELECT 1 FROM participants") == []
