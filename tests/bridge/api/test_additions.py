"""Who may be added to a group, by whom, and as what: a person tells nobody who somebody is."""

from typing import Any

import pytest

from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import CONVERSATIONS, group_opened, opened, pair, sent_with
from tests.bridge.api.world import World
from tests.bridge.platform.sender import host, vendor
from tests.databases import both_databases

EVIL = "@evil:evil.org"
SAM = {"id": "s-1", "name": "Sam", "mxid": "@sam:example.org"}


async def add(api: Api, here: str, *people: dict[str, Any], **params: str) -> Answer:
    return await sent_with(
        api, "POST", f"{CONVERSATIONS}/{here}/participants", {"participants": people}, params
    )


def of(answer: Answer, participant_id: str) -> dict[str, Any]:
    assert answer.status == 200, answer.json
    (found,) = (one for one in answer.json["participants"] if one["participant_id"] == participant_id)
    return {name: found[name] for name in ("name", "role", "mxid")}


async def furnished(api: Api) -> str:
    """The id of Anna's group. Sweet Bites and Sam, of staff, take part elsewhere."""
    await opened(api)
    await api.post(
        f"{CONVERSATIONS}/support",
        {"title": "Help", "person": vendor() | {"role": "vendor"}, "staff": [SAM]},
    )
    return await group_opened(api)


@both_databases
async def test_a_person_adds_who_is_known_as_they_are(people: People, world: World) -> None:
    here = await furnished(people.sides.ours)
    before = sorted((await world.contents())["participants"], key=str)
    added = await add(people.anna, here, {"id": "v-1"})
    assert of(added, "v-1") == {"name": "Sweet Bites", "role": "vendor", "mxid": None}
    assert sorted((await world.contents())["participants"], key=str) == before


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"mxid": EVIL}, "mxid"),
        ({"name": "Sour Bites"}, "name"),
        ({"name": "Sweet Bites"}, "name"),  # what is known already, too
        ({"role": "vendor"}, "role"),
        ({"role": "staff"}, "role"),
        ({"avatar_url": "mxc://evil.org/a"}, "avatar_url"),
        ({"vendor_type": "spy"}, "vendor_type"),
        ({"name": "x", "role": "vendor", "mxid": EVIL}, "name"),
    ],
)
@pytest.mark.parametrize("whom", ["v-1", "u-anna", "v-new"])
async def test_a_person_says_of_nobody_who_they_are(
    people: People, world: World, whom: str, told: dict[str, str], field: str
) -> None:
    api = people.sides.ours
    here = await furnished(api)
    before = await world.contents()
    for asked in (
        await add(people.anna, here, {"id": whom} | told),
        await add(api, here, {"id": whom} | told, participant_id="u-anna"),  # a program in her name
    ):
        assert (asked.status, asked.problem) == (403, "not_allowed")
        assert asked.json["field"] == f"participants[0].{field}"
    assert await world.contents() == before


async def test_a_person_adds_nobody_new_and_no_staff(people: People, world: World) -> None:
    here = await furnished(people.sides.ours)
    before = await world.contents()
    new = await add(people.anna, here, {"id": "v-1"}, {"id": "v-new"})
    assert (new.status, new.problem) == (404, "not_found")
    staff = await add(people.anna, here, {"id": "s-1"})
    assert (staff.status, staff.problem) == (403, "not_allowed")
    assert await world.contents() == before


async def test_programs_and_staff_tell_who_somebody_is(people: People, world: World) -> None:
    here = await furnished(people.sides.ours)
    for number, api in enumerate((people.sides.ours, people.who("admin", "u-chief"))):
        account = f"@kitchen-{number}:example.org"
        told = vendor() | {"role": "vendor", "name": "Sour Bites", "mxid": account}
        assert of(await add(api, here, told), "v-1") == {
            "name": "Sour Bites",
            "role": "vendor",
            "mxid": account,
        }
        assert of(await add(api, here, {"id": "v-1"}), "v-1")["mxid"] == account
        assert of(await add(api, here, {"id": "s-1", "role": "staff"}), "s-1")["role"] == "staff"
        before = await world.contents()
        for unknown in ({"id": "v-new"}, {"id": "v-new", "name": "New"}, {"id": "v-new", "role": "host"}):
            assert (await add(api, here, unknown)).problem == "not_found"
        assert await world.contents() == before


@both_databases
async def test_nobody_is_told_to_have_somebody_elses_account(people: People, world: World) -> None:
    api = people.sides.ours
    here = await furnished(api)
    taken = {"mxid": host()["mxid"]}
    before = await world.contents()
    asked = pair("p-9")
    asked["vendor"] |= taken
    group = {"title": "x", "owner": {"id": "u-ben", "name": "Ben", "role": "host"} | taken}
    lead = {"lead_id": "l-1", "title": "Cake", "host": host(), "vendor": vendor() | taken}
    for refused in (
        await add(api, here, {"id": "v-1"} | taken),
        await add(
            people.who("admin", "u-chief"), here, {"id": "u-ben", "name": "Ben", "role": "host"} | taken
        ),
        await api.post(CONVERSATIONS, asked),
        await api.post(
            "/api/v1/parties/p-1/vendors/v-1/conversation", {"vendor": {"name": "Sweet Bites"} | taken}
        ),
        await api.post(f"{CONVERSATIONS}/inquiries", {"host": host(), "vendor": vendor() | taken}),
        await api.post(f"{CONVERSATIONS}/groups", group),
        await api.post(f"{CONVERSATIONS}/support", {"title": "x", "person": group["owner"]}),
        await api.post("/api/v1/leads", lead),
        await api.send("PUT", "/api/v1/participants/v-1/account", taken),
    ):
        assert (refused.status, refused.problem, refused.json["field"]) == (409, "account_taken", "mxid")
    assert await world.contents() == before
