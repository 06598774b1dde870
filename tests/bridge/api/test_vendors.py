"""Vendors by REST: a story, and who is told what."""

from typing import Any

from bridge.core.ids import ParticipantId
from bridge.signals.model import Person
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, said
from tests.bridge.api.world import OURS, World
from tests.databases import both_databases

VENDORS = "/api/v1/vendors"
CHEF = f"{VENDORS}/v-1"
PROFILE: dict[str, Any] = {
    "business_name": "Sweet Bites",
    "vendor_type": "caterer",
    "avatar_url": "mxc://example.org/cake",
    "contact_name": "Carla Cook",
    "email": "carla@sweet.example",
    "phone": "+4930123456",
    "specialties": ["wedding cakes", "vegan"],
    "portfolio": [{"title": "A tower", "url": "https://sweet.example/tower"}],
    "pricing_info": {"from": 120, "currency": "EUR"},
    "metadata": {"tier": "gold"},
}
CONTACT = ("contact_name", "email", "phone")


def shows_contact(answer: Answer) -> bool:
    """All of it, or nothing."""
    view = answer.json
    assert view["contact_visible"] == all(view[field] == PROFILE[field] for field in CONTACT)
    assert view["contact_visible"] != all(view[field] is None for field in CONTACT)
    return bool(view["contact_visible"])


@both_databases
async def test_a_vendor_from_their_first_profile_to_their_figures(
    people: People, sides: Sides, world: World
) -> None:
    """An example of property 14, which `statistics/test_vendor_recount.py` proves."""
    ours = sides.ours
    made = await ours.send("PUT", CHEF, PROFILE)
    assert (made.status, made.headers["Location"]) == (201, CHEF)
    assert {name: made.json[name] for name in PROFILE if name != "portfolio"} == {
        name: value for name, value in PROFILE.items() if name != "portfolio"
    }
    assert made.json["portfolio"] == [{**PROFILE["portfolio"][0], "description": None}]
    assert (made.json["rating"], made.json["response_time_avg"], made.json["last_seen"]) == (None, None, None)
    again = await ours.send("PUT", CHEF, PROFILE)
    assert (again.status, again.json) == (200, made.json)

    conversation_id = await opened(ours)
    await said(ours, conversation_id, "Vegan?")
    world.clock.advance(90_000)
    await ours.post(messages_of(conversation_id), {"sender_id": "v-1", "text": "With pleasure"})
    own = await people.sweet_bites.send("PUT", CHEF, {"phone": None, "specialties": ["vegan"]})
    assert (own.json["phone"], own.json["specialties"]) == (None, ["vegan"])
    assert (own.json["email"], own.json["response_time_avg"]) == (PROFILE["email"], 1.5)

    first = await people.anna.post(f"{CHEF}/rate", {"rating": 2, "review": "Dry."})
    assert (first.status, first.json["party_id"], first.json["host_id"]) == (201, "p-1", "u-anna")
    second = await people.anna.post(f"{CHEF}/rate", {"rating": 5, "party_id": "p-1"})
    assert (second.status, second.json["review"]) == (200, None)
    seen = (await people.anna.get(CHEF)).json
    assert (seen["rating"], seen["rating_count"]) == (5.0, 1)
    ratings = await people.sweet_bites.get(f"{CHEF}/ratings")
    assert ratings.json == {"ratings": [second.json], "next_cursor": None}

    figures = (await people.sweet_bites.get(f"{CHEF}/analytics")).json
    assert (figures["total_messages"], figures["vendor_messages"], figures["host_messages"]) == (2, 1, 1)
    assert figures["response_time"] == {"answers": 1, "average": 90.0, "median": 90.0}
    assert figures["first_response_time"] == figures["response_time"]
    assert (figures["active_conversations"], figures["completion_rate"]) == (1, 0.0)
    await ours.post(f"{CONVERSATIONS}/{conversation_id}/close", {})
    figures = (await people.sweet_bites.get(f"{CHEF}/analytics")).json
    assert (figures["completed_conversations"], figures["completion_rate"]) == (1, 1.0)
    nothing = (await ours.get(f"{CHEF}/analytics", to="2020-01-01T00:00:00Z")).json
    assert (nothing["total_messages"], nothing["completion_rate"]) == (0, None)


async def test_how_to_reach_a_vendor_is_told_to_those_alone_who_need_it(people: People, sides: Sides) -> None:
    await sides.ours.send("PUT", CHEF, PROFILE)
    staff, florist = people.who("admin", "u-chief"), people.who("vendor", "v-2")
    for api in (sides.ours, staff, people.sweet_bites):
        assert shows_contact(await api.get(CHEF))
        assert (await api.get(CHEF)).json["metadata"] == PROFILE["metadata"]
    for api in (people.anna, florist, people.who("host", "u-ben"), sides.theirs):
        refused = await api.get(CHEF)
        assert (refused.status, refused.problem) == (404, "not_found")
        assert (await api.get(VENDORS)).json["vendors"] == []

    conversation_id = await opened(sides.ours)
    assert shows_contact(await people.anna.get(CHEF))
    assert (await people.anna.get(CHEF)).json["metadata"] is None
    for action in ("close", "archive", "block"):
        body = {"side": "vendor"} if action == "block" else {}
        await sides.ours.post(f"{CONVERSATIONS}/{conversation_id}/{action}", body)
        assert not shows_contact(await people.anna.get(CHEF)), action
        (listed,) = (await people.anna.get(VENDORS)).json["vendors"]
        assert listed == (await people.anna.get(CHEF)).json
    await sides.ours.post(f"{CONVERSATIONS}/{conversation_id}/reopen", {})
    assert shows_contact(await people.anna.get(CHEF))
    for api in (florist, people.who("host", "u-ben"), people.who("host", "v-1")):
        assert (await api.get(CHEF)).status == 404


async def test_a_vendor_of_the_same_group_sees_who_somebody_is_and_no_more(
    people: People, sides: Sides
) -> None:
    await sides.ours.send("PUT", CHEF, PROFILE)
    people_of_group = [
        {"id": "v-1", "name": "Sweet Bites", "role": "vendor"},
        {"id": "v-2", "name": "Florist", "role": "vendor"},
    ]
    owner = {"id": "u-anna", "name": "Anna", "role": "host"}
    group = {"title": "Surprise!", "owner": owner, "participants": people_of_group}
    assert (await sides.ours.post(f"{CONVERSATIONS}/groups", group)).status == 201
    florist = people.who("vendor", "v-2")
    assert not shows_contact(await florist.get(CHEF))
    assert shows_contact(await people.anna.get(CHEF))
    for path in ("ratings", "analytics"):
        assert (await florist.get(f"{CHEF}/{path}")).status == 404
    assert (await florist.send("PUT", CHEF, {"email": "mine@example.org"})).status == 404
    assert (await florist.send("PUT", f"{CHEF}/status", {"status": "offline"})).status == 404
    listed = (await florist.get(VENDORS)).json["vendors"]
    assert {one["vendor_id"]: one["contact_visible"] for one in listed} == {"v-1": False, "v-2": True}


async def test_who_a_vendor_is_the_platform_says(people: People, sides: Sides, world: World) -> None:
    await sides.ours.send("PUT", CHEF, PROFILE)
    before = await world.contents()
    for field in ("business_name", "vendor_type", "avatar_url", "metadata"):
        refused = await people.sweet_bites.send("PUT", CHEF, {"phone": "+4930999999", field: PROFILE[field]})
        assert (refused.status, refused.problem, refused.json["field"]) == (403, "not_allowed", field)
    for body in ({"rating": 5}, {"email": "no address"}, {"phone": "030 123"}, {"specialties": ["a", "a"]}):
        assert (await sides.ours.send("PUT", CHEF, body)).status == 422
    unknown = await sides.ours.send("PUT", f"{VENDORS}/nobody", {"email": "carla@sweet.example"})
    assert (unknown.status, unknown.problem) == (404, "not_found")
    assert await world.contents() == before


async def test_a_refusal_repeats_nothing_personal(sides: Sides) -> None:
    for body in ({"email": "carla at sweet"}, {"phone": "+49-30-SECRET"}):
        refused = await sides.ours.send("PUT", CHEF, {"business_name": "Sweet Bites", **body})
        assert refused.status == 422
        (value,) = body.values()
        assert value not in str(refused.json)


async def test_whether_a_vendor_is_there(people: People, sides: Sides, world: World) -> None:
    await opened(sides.ours)
    seen = Person(tenant_id=OURS, participant_id=ParticipantId("v-1"))

    async def shown(api: Api = people.anna) -> str:
        one, (listed,) = (await api.get(CHEF)).json, (await api.get(VENDORS)).json["vendors"]
        status = str(one["availability_status"])
        assert listed["availability_status"] == status
        for other in ("online", "away", "busy", "offline"):
            found = (await api.get(VENDORS, availability=other)).json["vendors"]
            assert [view["vendor_id"] for view in found] == (["v-1"] if other == status else [])
        return status

    assert await shown() == "offline"
    world.signals.presence.seen(seen, "online", at=None)
    assert await shown() == "online"
    until = "2027-01-15T09:00:00.000Z"
    answer = await people.sweet_bites.send("PUT", f"{CHEF}/status", {"status": "busy", "until": until})
    assert (answer.json["availability_status"], answer.json["until"]) == ("busy", until)
    assert (await shown(), (await people.anna.get(CHEF)).json["availability_until"]) == ("busy", until)
    world.clock.advance(3_600_000)
    assert world.clock.now() == 1_800_003_600_000  # 2027-01-15T09:00:00Z
    assert await shown() == "online"
    last_seen = (await people.anna.get(CHEF)).json["last_seen"]
    await sides.ours.send("PUT", f"{CHEF}/status", {"status": "away"})
    assert await shown() == "away"
    back = await people.sweet_bites.send("PUT", f"{CHEF}/status", {"status": None})
    assert (back.json["status"], back.json["availability_status"]) == (None, "online")
    assert back.json["last_seen"] == last_seen


FOUND: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["v-3", "v-2", "v-1"]),
    ({"vendor_type": "florist"}, ["v-3", "v-2"]),
    ({"party_id": "p-1"}, ["v-2", "v-1"]),
    ({"party_id": "p-1", "vendor_type": "florist"}, ["v-2"]),
    ({"q": "BLÜTEN"}, ["v-3"]),
    ({"q": "rose florist"}, ["v-2"]),
    ({"q": "nothing"}, []),
    ({"party_id": "p-9"}, []),
]


@both_databases
async def test_vendors_are_found(sides: Sides, world: World) -> None:
    vendors = (("v-1", "Sweet Bites", "caterer"), ("v-2", "Röschen Roses", "florist"))
    for vendor_id, name, kind in (*vendors, ("v-3", "Bluten", "florist")):
        world.clock.advance(1)
        body = {"business_name": name, "vendor_type": kind}
        assert (await sides.ours.send("PUT", f"{VENDORS}/{vendor_id}", body)).status == 201
    await sides.theirs.send("PUT", f"{VENDORS}/v-9", {"business_name": "Of another tenant"})
    for vendor_id, name, _ in vendors:
        asked = {
            "party": {"id": "p-1", "title": "Anna & Ben", "hosts": [{"id": "u-anna", "name": "Anna"}]},
            "vendor": {"id": vendor_id, "name": name},
        }
        await sides.ours.post(CONVERSATIONS, asked)
    for query, expected in FOUND:
        for limit in (1, 2, 100):
            assert await listed(sides.ours, limit=limit, **query) == expected, query


async def listed(api: Api, **query: str | int) -> list[str]:
    """All pages."""
    found: list[str] = []
    while True:
        page = (await api.get(VENDORS, **query)).json
        found += [view["vendor_id"] for view in page["vendors"]]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


async def test_a_page_goes_on_where_the_one_before_ended(sides: Sides, world: World) -> None:
    for number in range(4):
        await sides.ours.send("PUT", f"{VENDORS}/v-{number}", {"business_name": f"Cakes {number}"})
    page = (await sides.ours.get(VENDORS, limit=2)).json
    assert [view["vendor_id"] for view in page["vendors"]] == ["v-3", "v-2"]
    await sides.ours.send("PUT", f"{VENDORS}/v-1", {"business_name": "Another name"})
    world.clock.advance(1)
    await sides.ours.send("PUT", f"{VENDORS}/v-9", {"business_name": "New"})
    assert await listed(sides.ours, limit=2, cursor=page["next_cursor"]) == ["v-1", "v-0"]
    refused = await sides.ours.get(VENDORS, q="cakes", cursor=page["next_cursor"])
    assert (refused.status, refused.problem) == (422, "invalid_cursor")


async def test_who_may_rate_whom(people: People, sides: Sides, world: World) -> None:
    await opened(sides.ours)
    rate = f"{CHEF}/rate"
    before = await world.contents()
    for api, body, expected in (
        # A stranger finds no such vendor; a vendor rates nobody; nobody rates in another's name.
        (people.who("host", "u-ben"), {"rating": 1}, (404, "not_found")),
        (people.sweet_bites, {"rating": 5}, (403, "forbidden")),
        (people.anna, {"rating": 1, "host_id": "u-ben"}, (403, "not_yourself")),
        (people.anna, {"rating": 1, "party_id": "p-2"}, (409, "no_conversation")),
        (sides.ours, {"rating": 1}, (422, "invalid_input")),
        (sides.ours, {"rating": 1, "host_id": "u-ben"}, (409, "no_conversation")),
        (sides.ours, {"rating": 1, "host_id": "v-1"}, (409, "no_conversation")),
        (people.anna, {"rating": 0}, (422, "invalid_input")),
        (people.anna, {"rating": 6}, (422, "invalid_input")),
        (people.anna, {"rating": 3.5}, (422, "invalid_input")),
        (people.anna, {"rating": 3, "review": " "}, (422, "invalid_input")),
    ):
        refused = await api.post(rate, body)
        assert (refused.status, refused.problem) == expected, body
    assert await world.contents() == before
    await opened(sides.ours, "p-2")
    unclear = await people.anna.post(rate, {"rating": 3})
    assert (unclear.status, unclear.problem) == (409, "party_unclear")
    for party_id, stars in (("p-1", 4), ("p-2", 5.0)):
        assert (await people.anna.post(rate, {"rating": stars, "party_id": party_id})).status == 201
    on_behalf = {"rating": 3, "party_id": "p-1", "host_id": "u-anna"}
    assert (await sides.ours.post(rate, on_behalf)).status == 200
    assert (await people.anna.get(CHEF)).json["rating"] == 4.0
    page = (await sides.ours.get(f"{CHEF}/ratings", limit=1)).json
    rest = (await sides.ours.get(f"{CHEF}/ratings", limit=1, cursor=page["next_cursor"])).json
    shown = [(one["party_id"], one["rating"]) for one in (*page["ratings"], *rest["ratings"])]
    assert (shown, rest["next_cursor"]) == ([("p-2", 5), ("p-1", 3)], None)
    assert (await people.anna.get(f"{CHEF}/ratings")).status == 403
