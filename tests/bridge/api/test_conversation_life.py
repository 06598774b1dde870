"""What becomes of conversations by REST, and who may see to it: programs, staff, and people, each as themselves."""

from typing import Any

import pytest

from bridge.conversations.events import UpgradeAsked
from bridge.core.caller import Caller, CallerRole
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from tests.bridge.api.client import Api
from tests.bridge.api.conftest import Sides
from tests.bridge.api.requests import CONTEXT, CONVERSATIONS, group_opened, opened, pair, said, sent_with
from tests.bridge.api.world import OURS, THEIRS, World
from tests.bridge.platform.sender import host, vendor
from tests.databases import both_databases

BEN = {"id": "u-ben", "name": "Ben", "role": "host"}


class People:
    """Each with a token of their own."""

    def __init__(self, world: World, sides: Sides) -> None:
        self._world = world
        self._sides = sides

    def api(self, person: str, role: CallerRole = "host", *, tenant: TenantId = OURS) -> Api:
        token = f"token-{tenant}-{person}"
        self._world.callers[token] = Caller(
            tenant_id=tenant, role=role, participant_id=ParticipantId(person) if person else None
        )
        return Api(self._sides.ours.http, token)


@pytest.fixture
def people(world: World, sides: Sides) -> People:
    return People(world, sides)


def at(conversation_id: str, action: str = "") -> str:
    return f"{CONVERSATIONS}/{conversation_id}" + (f"/{action}" if action else "")


async def acted(api: Api, conversation_id: str, action: str, body: object = None, **params: str) -> Any:
    if body is None:
        return await api.request("POST", at(conversation_id, action), params=params)
    return await sent_with(api, "POST", at(conversation_id, action), body, params)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_it_is_closed_and_archived_and_comes_back(api: Api, method: str) -> None:
    here = await opened(api)
    closed = await api.request(method, at(here, "close"))
    assert (closed.status, closed.json["status"], closed.json["closed_at"]) == (
        200,
        "closed",
        closed.json["updated_at"],
    )
    refused = await said(api, here)
    assert (refused.status, refused.problem) == (409, "conversation_closed")
    archived = await api.request(method, at(here, "archive"))
    assert (archived.json["status"], archived.json["archived_at"] is not None) == ("archived", True)
    assert (await api.get(CONVERSATIONS)).json["conversations"] == []
    assert len((await api.get(CONVERSATIONS, status="archived")).json["conversations"]) == 1
    assert (await api.get("/api/v1/parties/p-1/conversations")).json["conversations"] == []
    assert (await acted(api, here, "unarchive")).json["status"] == "closed"
    assert (await acted(api, here, "reopen")).json["status"] == "active"
    assert (await said(api, here)).status == 201


async def test_what_was_said_before_the_close_is_not_edited_after_it(api: Api) -> None:
    here = await opened(api)
    message = (await said(api, here)).json["message_id"]
    await acted(api, here, "close")
    path, body = f"/api/v1/messages/{message}", {"sender_id": "u-anna", "text": "Hello!"}
    answer = await api.send("PUT", path, body)
    assert (answer.status, answer.problem) == (409, "conversation_closed")
    assert (await api.request("DELETE", path)).status == 200, "the platform still deletes"


# (who: participant, role, tenant; what; the answer)
RIGHTS: list[tuple[str, CallerRole, TenantId, str, int, str]] = [
    ("u-anna", "host", OURS, "close", 200, ""),
    ("v-1", "vendor", OURS, "close", 403, "not_allowed"),
    ("u-else", "host", OURS, "close", 404, "not_found"),
    ("u-anna", "host", THEIRS, "close", 404, "not_found"),
    ("", "host", OURS, "close", 404, "not_found"),
    ("", "admin", OURS, "close", 200, ""),
    ("u-anna", "host", OURS, "archive", 200, ""),
    ("v-1", "vendor", OURS, "archive", 403, "not_allowed"),
    ("v-1", "vendor", OURS, "block", 200, ""),
    ("u-anna", "host", OURS, "block", 200, ""),
    ("u-else", "host", OURS, "block", 404, "not_found"),
    ("", "admin", OURS, "block", 403, "not_allowed"),  # which side?
    ("v-1", "vendor", OURS, "leave", 200, ""),
    ("u-else", "vendor", OURS, "leave", 404, "not_found"),
    ("", "admin", OURS, "leave", 409, "participant_missing"),  # who?
    ("u-anna", "host", OURS, "DELETE", 200, ""),
    ("v-1", "vendor", OURS, "DELETE", 403, "not_allowed"),
    ("u-anna", "host", OURS, "PUT", 200, ""),
    ("v-1", "vendor", OURS, "PUT", 403, "not_allowed"),
    ("u-anna", "host", THEIRS, "PUT", 404, "not_found"),
    ("v-1", "vendor", OURS, "settings", 200, ""),
    ("u-else", "vendor", OURS, "settings", 404, "not_found"),
]


@pytest.mark.parametrize(("person", "role", "tenant", "what", "status", "problem"), RIGHTS)
async def test_everybody_does_only_what_is_theirs_to_do(
    api: Api,
    people: People,
    world: World,
    person: str,
    role: CallerRole,
    tenant: TenantId,
    what: str,
    status: int,
    problem: str,
) -> None:
    here = await opened(api)
    them = people.api(person, role, tenant=tenant)
    before = await world.contents()
    if what == "DELETE":
        answer = await them.request("DELETE", at(here))
    elif what == "PUT":
        answer = await them.send("PUT", at(here), {"title": "New"})
    elif what == "settings":
        answer = await them.send("PUT", at(here, "settings"), {"muted": True})
    else:
        answer = await acted(them, here, what, {} if what == "block" else None)
    assert answer.status == status, answer.json
    if status != 200:
        assert answer.problem == problem
        assert await world.contents() == before


@pytest.mark.parametrize("what", ["close", "archive", "leave", "reopen"])
async def test_nobody_acts_as_somebody_else(api: Api, people: People, world: World, what: str) -> None:
    here = await opened(api)
    before = await world.contents()
    answer = await acted(people.api("v-1", "vendor"), here, what, participant_id="u-anna")
    assert (answer.status, answer.problem) == (403, "not_yourself")
    assert await world.contents() == before


async def test_a_program_may_ask_for_a_person_with_that_persons_rights(api: Api) -> None:
    here = await opened(api)
    assert (await acted(api, here, "close", participant_id="v-1")).problem == "not_allowed"
    assert (await acted(api, here, "close", participant_id="u-anna")).json["status"] == "closed"


async def test_who_has_left_sees_it_no_more(api: Api, people: People) -> None:
    here = await opened(api)
    chef = people.api("v-1", "vendor")
    assert len((await chef.get(CONVERSATIONS)).json["conversations"]) == 1
    assert (await acted(chef, here, "leave")).status == 200
    assert (await chef.get(at(here))).status == 404
    assert (await chef.get(CONVERSATIONS)).json["conversations"] == []
    assert (await acted(chef, here, "leave")).status == 404
    refused = await api.post(at(here, "messages"), {"sender_id": "v-1", "text": "Hello"})
    assert (refused.status, refused.problem) == (403, "not_allowed")


async def test_who_is_blocked_cannot_write_and_cannot_end_it(api: Api, people: People) -> None:
    here = await opened(api)
    assert (await acted(people.api("u-anna"), here, "block", {})).json["status"] == "blocked"
    refused = await api.post(at(here, "messages"), {"sender_id": "v-1", "text": "Hello"})
    assert (refused.status, refused.problem) == (409, "conversation_blocked")
    assert (await said(api, here)).status == 201
    assert (await acted(people.api("v-1", "vendor"), here, "reopen")).problem == "not_found"
    assert (await acted(api, here, "reopen", participant_id="v-1")).problem == "not_allowed"
    assert (await acted(api, here, "close")).problem == "conversation_blocked"
    assert (await acted(people.api("u-anna"), here, "reopen")).json["status"] == "active"


@both_databases
async def test_what_is_told_of_a_conversation_is_shown_and_taken_back(api: Api) -> None:
    here = await opened(api)
    told = CONTEXT | {"title": "Cake"}
    answer = await api.send("PUT", at(here), told)
    assert answer.status == 200
    assert answer.json.items() >= told.items()
    assert (await api.get(at(here))).json == answer.json
    for filters in ({"booking_id": "b-2"}, {"event_id": "evt-9"}, {"type": "direct", "vendor_id": "v-1"}):
        (found,) = (await api.get(CONVERSATIONS, **filters)).json["conversations"]
        assert found["conversation_id"] == here
    for filters in ({"booking_id": "b-3"}, {"event_id": "evt-8"}, {"type": "group"}):
        assert (await api.get(CONVERSATIONS, **filters)).json["conversations"] == []
    less: dict[str, Any] = {
        "subject": None,
        "tags": None,
        "metadata": None,
        "booking_ids": [],
        "event_id": None,
        "priority": None,
    }
    shown = (await api.send("PUT", at(here), less)).json
    assert (shown["subject"], shown["tags"], shown["metadata"], shown["booking_ids"]) == (None, [], {}, [])
    assert (shown["event_id"], shown["priority"], shown["description"]) == (
        None,
        "normal",
        told["description"],
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"booking_ids": ["b/1"]}, "booking_ids[0]"),
        ({"status": "closed"}, "status"),
        ({"priority": "now"}, "priority"),
        ({"description": "\u0007"}, "description"),
    ],
)
async def test_a_change_of_another_shape_is_refused(
    api: Api, world: World, change: dict[str, Any], field: str
) -> None:
    here = await opened(api)
    before = await world.contents()
    answer = await api.send("PUT", at(here), change)
    assert (answer.status, answer.fields) == (422, [field])
    assert await world.contents() == before


@both_databases
async def test_settings_are_seen_by_whose_they_are(api: Api, people: People) -> None:
    here = await opened(api)
    anna, chef = people.api("u-anna"), people.api("v-1", "vendor")
    wanted = {"muted": True, "pinned": True, "sound": False, "notification_level": "mentions"}
    assert (await anna.send("PUT", at(here, "settings"), wanted)).json == wanted
    assert (await anna.get(at(here))).json["settings"] == wanted
    assert (await chef.get(at(here))).json["settings"]["muted"] is False
    assert (await api.get(at(here))).json["settings"] is None
    assert len((await anna.get(CONVERSATIONS, is_pinned="true")).json["conversations"]) == 1
    assert (await chef.get(CONVERSATIONS, is_pinned="true")).json["conversations"] == []
    assert (await api.get(CONVERSATIONS, is_pinned="true")).json["conversations"] == []
    asked = {"participant_id": "u-anna", "is_muted": "true"}
    assert len((await api.get(CONVERSATIONS, **asked)).json["conversations"]) == 1
    assert (await chef.get(CONVERSATIONS, **asked)).problem == "not_yourself"


@both_databases
async def test_a_person_lists_their_own_page_by_page(api: Api, people: People, world: World) -> None:
    """What is written, closed and archived meanwhile neither hides an entry nor shows it twice."""
    mine = []
    for number in range(5):
        world.clock.advance(1)
        mine.append(await opened(api, f"p-{number}", "v-1"))
        await opened(api, f"p-{number}", "v-2")
    chef = people.api("v-1", "vendor")
    seen: list[str] = []
    query: dict[str, str] = {}
    while True:
        page = (await chef.get(CONVERSATIONS, limit=2, **query)).json
        seen += [one["conversation_id"] for one in page["conversations"]]
        if page["next_cursor"] is None:
            break
        query = {"cursor": page["next_cursor"]}
        world.clock.advance(1)
        await opened(api, f"p-new-{len(seen)}", "v-1")
        await said(api, seen[0])
        await acted(api, seen[-1], "archive")
    assert seen == mine[::-1]
    answer = await api.get(CONVERSATIONS, **query)
    assert answer.problem == "invalid_cursor", "a cursor of one person's list is good for no other"


async def test_owners_add_people_to_groups_and_to_nothing_else(api: Api, people: People) -> None:
    group, direct = await group_opened(api, BEN), await opened(api)
    new = {"participants": [{"id": "v-1"}]}
    assert (await acted(people.api("u-ben"), group, "participants", new)).problem == "not_allowed"
    answer = await acted(people.api("u-anna"), group, "participants", new)
    assert [(one["participant_id"], one["standing"]) for one in answer.json["participants"]] == [
        ("u-anna", "owner"),
        ("u-ben", "member"),
        ("v-1", "member"),
    ]
    assert (await acted(api, direct, "participants", new)).problem == "not_a_group"
    assert (await acted(people.api("v-1", "vendor"), group, "leave")).status == 200


@pytest.mark.parametrize("comes_back", [False, True])
async def test_who_is_no_owner_makes_nobody_one(
    api: Api, world: World, people: People, comes_back: bool
) -> None:
    """Nor who left and is brought back."""
    group = await group_opened(api, BEN | {"standing": "admin"}, vendor() | {"role": "vendor"})
    if comes_back:
        await acted(people.api("v-1", "vendor"), group, "leave")
    await opened(api, "p-1", "v-2")
    before = await world.contents()
    known = {"id": "v-1" if comes_back else "v-2"}
    refused = await acted(
        people.api("u-ben"), group, "participants", {"participants": [known | {"standing": "owner"}]}
    )
    assert (refused.status, refused.problem) == (403, "not_allowed")
    assert await world.contents() == before
    added = await acted(
        people.api("u-ben"), group, "participants", {"participants": [known | {"standing": "admin"}]}
    )
    assert (added.status, added.json["participants"][-1]["standing"]) == (200, "admin")


@both_databases
async def test_inquiries_support_and_a_partys_own(api: Api) -> None:
    asked = {"host": host(), "vendor": vendor()}
    inquiry = await api.post(f"{CONVERSATIONS}/inquiries", asked)
    again = await api.post(f"{CONVERSATIONS}/inquiries", asked)
    assert (inquiry.status, again.status, inquiry.json["party_id"]) == (201, 200, None)
    assert again.json["conversation_id"] == inquiry.json["conversation_id"]
    assert inquiry.json["title"] == "Anna x Sweet Bites"
    own = await api.post(CONVERSATIONS, {"party": pair()["party"]})
    assert (own.status, own.json["vendor_id"], own.json["title"]) == (201, None, "Anna & Ben")
    assert (await api.post(CONVERSATIONS, {"party": pair()["party"]})).status == 200
    help_ = {
        "title": "Help",
        "person": vendor() | {"role": "vendor"},
        "staff": [{"id": "s-1", "name": "Sam"}],
    }
    support = await api.post(f"{CONVERSATIONS}/support", help_)
    assert (support.status, support.json["type"]) == (201, "support")
    assert [(one["role"], one["standing"]) for one in support.json["participants"]] == [
        ("staff", "admin"),
        ("vendor", "owner"),
    ]


@both_databases
async def test_an_account_is_linked_and_unlinked(api: Api, world: World) -> None:
    await opened(api)
    path = "/api/v1/participants/v-1/account"
    linked = await api.send("PUT", path, {"mxid": "@chef:example.org"})
    assert linked.json == {"participant_id": "v-1", "name": "Sweet Bites", "mxid": "@chef:example.org"}
    before = await world.contents()
    taken = await api.send("PUT", "/api/v1/participants/u-anna/account", {"mxid": "@chef:example.org"})
    assert (taken.status, taken.problem) == (409, "account_taken")
    assert await world.contents() == before
    assert (await api.request("DELETE", path)).json["mxid"] is None


@both_databases
async def test_an_upgrade_is_recorded_for_the_room_that_there_is(world: World, api: Api) -> None:
    here = ConversationId(await opened(api))

    async def asked() -> list[str]:
        rows = await world.database.fetch("SELECT lane FROM outbox WHERE topic = 'test.UpgradeAsked'")
        return [row["lane"] for row in rows]

    world.outbox.subscribe("test", UpgradeAsked)
    without_a_room = await acted(api, here, "upgrade")
    assert (without_a_room.status, without_a_room.json["room_id"], await asked()) == (202, None, [])
    world.rooms.rooms[here] = "!room:example.org"
    answer = await acted(api, here, "upgrade")
    assert (answer.status, answer.json["room_id"]) == (202, "!room:example.org")
    assert await asked() == [f"test:{here}"]
