"""Whoever asks by REST to change a standing or to take somebody out: each of them, of each of them."""

from typing import Any

import pytest

from bridge.core.caller import CallerRole
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import (
    CONVERSATIONS,
    group_opened,
    messages_of,
    opened,
    pair,
    said,
    sent_with,
)
from tests.bridge.api.world import OURS, THEIRS, World
from tests.databases import both_databases

# Anna's group; the others by what they are in it.
GUESTS: list[dict[str, Any]] = [
    {"id": "u-owner", "name": "Olga", "role": "host", "standing": "owner"},
    {"id": "u-admin", "name": "Adam", "role": "host", "standing": "admin"},
    {"id": "u-admin-2", "name": "Ada", "role": "host", "standing": "admin"},
    {"id": "u-member", "name": "Mia", "role": "host"},
    {"id": "v-member", "name": "Petals", "role": "vendor"},
    {"id": "u-left", "name": "Lea", "role": "host"},
]
NO, NOT_THERE = (403, "not_allowed"), (404, "not_found")
THERE = ("u-anna", "u-owner", "u-admin", "u-admin-2", "u-member", "v-member")
EVERYBODY = (*THERE, "u-left", "u-nobody")
# By who asks; whoever is not named may change and take out nobody.
MAY_CHANGE = dict.fromkeys(("program", "staff", "u-anna", "u-owner"), THERE)
MAY_REMOVE = {
    "program": (*THERE, "u-left"),  # who has gone stays away
    "staff": (*THERE, "u-left"),
    "u-anna": ("u-owner", "u-admin", "u-admin-2", "u-member", "v-member", "u-left"),
    "u-owner": ("u-anna", "u-admin", "u-admin-2", "u-member", "v-member", "u-left"),
    "u-admin": ("u-admin-2", "u-member", "v-member", "u-left"),
}
INSIDE = ("program", "staff", "u-anna", "u-owner", "u-admin", "u-member", "v-member")
OUTSIDE: dict[str, tuple[str, CallerRole, Any]] = {
    "who left": ("u-left", "host", OURS),
    "a stranger": ("u-stranger", "host", OURS),
    "staff elsewhere": ("u-chief", "admin", THEIRS),
    "the same id elsewhere": ("u-anna", "host", THEIRS),
}


def at(conversation_id: str, participant_id: str) -> str:
    return f"{CONVERSATIONS}/{conversation_id}/participants/{participant_id}"


def who(people: People, name: str) -> Api:
    if name == "program":
        return people.sides.ours
    if name == "staff":
        return people.who("admin", "u-chief")
    if name in OUTSIDE:
        person, role, tenant = OUTSIDE[name]
        return people.who(role, person, tenant)
    return people.who("vendor" if name.startswith("v-") else "host", name)


async def furnished(api: Api) -> str:
    here = await group_opened(api, *GUESTS)
    leaving = await api.request("POST", f"{CONVERSATIONS}/{here}/leave", params={"participant_id": "u-left"})
    assert leaving.status == 200
    return here


def of(answer: Answer, participant_id: str) -> tuple[str, str | None]:
    (found,) = (one for one in answer.json["participants"] if one["participant_id"] == participant_id)
    return found["standing"], found["away"]


@pytest.mark.parametrize("name", [*INSIDE, *OUTSIDE])
async def test_who_may_change_whose_standing(people: People, world: World, name: str) -> None:
    them = who(people, name)
    for whose in EVERYBODY:
        here = await furnished(people.sides.ours)
        before = await world.contents()
        answer = await them.send("PUT", at(here, whose), {"standing": "admin"})
        if name in OUTSIDE or whose == "u-nobody":
            assert (answer.status, answer.problem) == NOT_THERE, whose
        elif whose in MAY_CHANGE.get(name, ()):
            assert (answer.status, of(answer, whose)) == (200, ("admin", None)), whose
            continue
        else:
            assert (answer.status, answer.problem) == NO, whose
        assert await world.contents() == before, whose


@pytest.mark.parametrize("name", [*INSIDE, *OUTSIDE])
async def test_who_may_take_out_whom(people: People, world: World, name: str) -> None:
    them = who(people, name)
    for whom in EVERYBODY:
        here = await furnished(people.sides.ours)
        before = await world.contents()
        answer = await them.request("DELETE", at(here, whom))
        if name in OUTSIDE or whom == "u-nobody":
            assert (answer.status, answer.problem) == NOT_THERE, whom
        elif whom in MAY_REMOVE.get(name, ()):
            away = "left" if whom == "u-left" else "removed"
            assert (answer.status, of(answer, whom)) == (200, ("member", away)), whom
            continue
        else:
            assert (answer.status, answer.problem) == NO, whom
        assert await world.contents() == before, whom


async def test_a_program_may_ask_in_the_name_of_a_participant_and_nobody_else_may(
    people: People, world: World
) -> None:
    api = people.sides.ours
    here = await furnished(api)
    before = await world.contents()
    for asking, problem in (("u-admin", "not_allowed"), ("u-nobody", "not_allowed")):
        refused = await sent_with(
            api, "PUT", at(here, "u-member"), {"standing": "admin"}, {"asked_by": asking}
        )
        assert refused.problem == problem
    for method in ("PUT", "DELETE"):
        pretending = await sent_with(
            people.who("host", "u-admin"),
            method,
            at(here, "u-member"),
            {"standing": "admin"},
            {"asked_by": "u-anna"},
        )
        assert (pretending.status, pretending.problem) == (403, "not_yourself")
    assert await world.contents() == before
    done = await sent_with(api, "PUT", at(here, "u-member"), {"standing": "admin"}, {"asked_by": "u-anna"})
    assert of(done, "u-member") == ("admin", None)
    assert done.json["settings"] is not None, "Anna's"


async def test_the_last_owner_is_neither_put_down_nor_out(people: People, world: World) -> None:
    api = people.sides.ours
    group, direct = await group_opened(api, GUESTS[1]), await opened(api)
    before = await world.contents()
    for here in (group, direct):
        for them in (api, people.who("admin", "u-chief"), people.anna):
            refused = await them.send("PUT", at(here, "u-anna"), {"standing": "member"})
            assert (refused.status, refused.problem) == (409, "last_owner")
            assert refused.json["field"] == "participant_id"
        refused = await api.request("DELETE", at(here, "u-anna"))
        assert (refused.status, refused.problem) == (409, "last_owner")
    assert await world.contents() == before
    assert (await people.anna.send("PUT", at(group, "u-admin"), {"standing": "owner"})).status == 200
    assert (await people.anna.send("PUT", at(group, "u-anna"), {"standing": "member"})).status == 200
    assert (await api.request("DELETE", at(group, "u-anna"))).status == 200


async def test_of_a_direct_conversation_nobody_takes_out_the_other_side(people: People, world: World) -> None:
    here = await opened(people.sides.ours)
    before = await world.contents()
    refused = await people.anna.request("DELETE", at(here, "v-1"))
    assert (refused.status, refused.problem) == (409, "not_a_group")
    assert (await people.sweet_bites.request("DELETE", at(here, "u-anna"))).problem == "not_allowed"
    assert await world.contents() == before
    assert of(await people.sides.ours.request("DELETE", at(here, "v-1")), "v-1") == ("member", "removed")
    again = await people.sides.ours.post(CONVERSATIONS, pair())
    assert (again.json["conversation_id"], of(again, "v-1")) == (here, ("member", None))


@both_databases
async def test_who_is_taken_out_finds_nothing_of_it_until_they_are_added_again(people: People) -> None:
    api, mia = people.sides.ours, people.who("host", "u-member")
    here = await furnished(api)
    message = (await said(api, here)).json["message_id"]
    assert (await mia.get(messages_of(here))).status == 200
    assert (await people.anna.request("DELETE", at(here, "u-member"))).status == 200
    for path in (f"{CONVERSATIONS}/{here}", messages_of(here), f"/api/v1/messages/{message}"):
        assert (await mia.get(path)).problem == "not_found", path
    assert (await mia.get(CONVERSATIONS)).json["conversations"] == []
    assert (await mia.post(messages_of(here), {"text": "Hello?"})).problem == "not_found"
    refused = await api.post(messages_of(here), {"sender_id": "u-member", "text": "Hello?"})
    assert (refused.status, refused.problem) == (403, "not_allowed")
    added = await people.anna.post(
        f"{CONVERSATIONS}/{here}/participants", {"participants": [{"id": "u-member"}]}
    )
    assert of(added, "u-member") == ("member", None)
    assert len((await mia.get(messages_of(here))).json["messages"]) == 1


@pytest.mark.parametrize(
    "body", [{}, {"standing": None}, {"standing": "boss"}, {"standing": "admin", "role": "host"}]
)
async def test_a_standing_of_another_shape_is_refused(api: Api, world: World, body: dict[str, Any]) -> None:
    here = await furnished(api)
    before = await world.contents()
    refused = await api.send("PUT", at(here, "u-member"), body)
    assert (refused.status, refused.problem) == (422, "invalid_input")
    assert await world.contents() == before
