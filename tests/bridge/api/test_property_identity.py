"""Whatever a person asks, and whatever they say of others in it: who somebody is, the platform and its staff say."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.caller import PEOPLE
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS
from tests.bridge.api.test_access import BODIES, ask, ids_of
from tests.bridge.api.test_matrix import AS_ONESELF, KEYED
from tests.bridge.api.world import World
from tests.bridge.platform.sender import host, vendor
from tests.examples import examples

ASKED_BY_PEOPLE = sorted(name for name, one in KEYED.items() if one.takes_body and one.roles & PEOPLE)
EVIL = "@evil:evil.org"
told = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Evil", "Sweet Bites"]),
        "mxid": st.sampled_from([EVIL, host()["mxid"]]),
        "avatar_url": st.just("mxc://evil.org/a"),
        "vendor_type": st.just("spy"),
        "role": st.sampled_from(["host", "vendor", "staff"]),
        "standing": st.sampled_from(["owner", "admin", "member"]),
    },
)
IDENTITY = ("tenant_id", "participant_id", "name", "mxid", "avatar_url", "vendor_type")


@pytest.fixture
async def ids(sides: Sides, world: World) -> dict[str, str]:
    """Of what there is, for all examples; Anna owns the group. Sam, of staff, takes part elsewhere."""
    found = await ids_of(sides, world)
    owner = host() | {"role": "host"}
    group = await sides.ours.post(f"{CONVERSATIONS}/groups", {"title": "Surprise!", "owner": owner})
    staff = [{"id": "s-1", "name": "Sam"}]
    person = vendor() | {"role": "vendor"}
    await sides.ours.post(f"{CONVERSATIONS}/support", {"title": "Help", "person": person, "staff": staff})
    return found | {"group": group.json["conversation_id"]}


def objects(value: Any) -> list[dict[str, Any]]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value] * isinstance(value, dict) + [one for part in parts for one in objects(part)]


async def identities(world: World) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """Who everybody is, and as what they take part where."""
    contents = await world.contents()
    return (
        {tuple(row[name] for name in IDENTITY) for row in contents["participants"]},
        {
            (row["conversation_id"], row["participant_id"], row["role"])
            for row in contents["conversation_members"]
        },
    )


@settings(
    max_examples=examples(200),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(ASKED_BY_PEOPLE) | st.just("addParticipants"),
    who=st.sampled_from(["anna", "the vendor", "a stranger"]),
    whom=st.sampled_from(["v-1", "u-anna", "s-1", "v-new"]),
    said=told,
    where=st.integers(0, 3),
)
async def test_a_person_changes_nothing_of_who_anybody_is(
    people: People, world: World, ids: dict[str, str], name: str, who: str, whom: str, said: Any, where: int
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 9: no access without right"""
    api = {"anna": people.anna, "the vendor": people.sweet_bites}.get(who, people.who("host", "u-ben"))
    body = json.loads(json.dumps(AS_ONESELF.get(name, BODIES[name])))
    there = objects(body)
    one = there[-1 - where % len(there)]
    one |= said | ({"id": whom} if "id" in one else {})
    here = ids | ({"conversation_id": ids["group"]} if name == "addParticipants" else {})
    before, roles = await identities(world)
    answer = await ask(api, name, here, {name: body}, as_oneself=True)
    after, roles_after = await identities(world)
    assert after == before
    assert roles <= roles_after
    if name == "addParticipants" and who == "anna" and "id" in one:
        is_known = whom in ("v-1", "u-anna")
        assert (answer.status == 200) == (is_known and not said.keys() - {"standing"}), answer
    assert not [role for _, whose, role in roles_after - roles if (whose, role) != ("v-1", "vendor")]
