"""Whatever is wrong with a request: a person can read what it is, and how it goes on."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.test_access import BODIES, KEYED, UNKNOWN_LETTER, ask, ids_of
from tests.bridge.api.world import World
from tests.examples import examples

ASKERS = ("program", "another tenant's", "nobody", "anna", "the vendor", "a stranger", "staff")
WRONG: tuple[Any, ...] = (
    None,
    "",
    " ",
    "x",
    "\u202ex",
    "x" * 20_000,
    0,
    -1,
    1e300,
    True,
    [],
    ["x"],
    {},
    {"x": "x"},
)
"""One of them is wrong in every field."""
spoiled_bodies = st.tuples(
    st.sampled_from(["not at all", "all of it", "a field", "a field less", "a field more"]),
    st.integers(0, 9),
    st.sampled_from(WRONG),
)


@pytest.fixture
async def ids(sides: Sides, world: World) -> dict[str, str]:
    """Of what there is, for all examples."""
    return await ids_of(sides, world)


def asker(people: People, who: str) -> Api:
    match who:
        case "program":
            return people.sides.ours
        case "another tenant's":
            return people.sides.theirs
        case "nobody":
            return people.sides.nobody
        case "anna":
            return people.anna
        case "the vendor":
            return people.sweet_bites
        case "staff":
            return people.who("admin", "u-chief")
        case _:
            return people.who("host", "u-stranger")


def spoiled(body: dict[str, Any], how: str, which: int, value: Any) -> Any:
    fields = sorted(body) or ["sender_id"]
    field = fields[which % len(fields)]
    match how:
        case "all of it":
            return value
        case "a field":
            return body | {field: value}
        case "a field less":
            return {name: kept for name, kept in body.items() if name != field}
        case "a field more":
            return body | {"fild": value}
        case _:
            return body


@settings(
    max_examples=examples(200),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(KEYED),
    who=st.sampled_from(ASKERS),
    is_lost=st.booleans(),
    spoil=spoiled_bodies,
)
async def test_each_error_shows_a_message_and_a_way_on(
    people: People, ids: dict[str, str], name: str, who: str, is_lost: bool, spoil: tuple[str, int, Any]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 2: each error shows a message and a way on"""
    there = dict.fromkeys(ids, "unknown") | {"dead_letter_id": UNKNOWN_LETTER} if is_lost else ids
    answer = await ask(asker(people, who), name, there, {name: spoiled(BODIES.get(name, {}), *spoil)})
    if answer.status >= 400:
        assert answer.problem != "internal_error", answer
        told = answer.json
        for message in (told["detail"], *(one["detail"] for one in told.get("errors", ()))):
            assert message.isprintable(), answer
            assert message.endswith("."), answer
        assert shows_a_way(answer), answer


def shows_a_way(answer: Answer) -> bool:
    """What to correct, when to come again, what to show, or a sentence that says what to do."""
    told = answer.json
    return (
        any(name in answer.headers for name in ("Retry-After", "WWW-Authenticate"))
        or any(one["field"] or one["detail"] for one in told.get("errors", ()))
        or bool(told.get("field"))
        or ". " in told["detail"]
    )
