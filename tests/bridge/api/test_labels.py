"""What stands on a message: who said it as what, which way it came, and what its sender says about it."""

from typing import Any

import pytest

from tests.bridge.api.client import Api
from tests.bridge.api.conftest import Sides
from tests.bridge.api.requests import CONVERSATIONS, SOON, messages_of, opened, said
from tests.bridge.api.test_access import BODIES
from tests.bridge.api.world import World
from tests.bridge.platform.sender import vendor
from tests.bridge.sockets.test_sockets import heard
from tests.databases import both_databases

LABELS: dict[str, Any] = {
    "priority": "urgent",
    "tags": ["cake", "marzipan"],
    "booking_id": "b-1",
    "metadata": {"source": "dashboard", "tiers": 3, "paid": False, "note": None},
}
NONE: dict[str, Any] = {"priority": "normal", "tags": [], "booking_id": None, "metadata": {}}


async def with_booking(api: Api) -> str:
    """The id of a conversation that is linked with the booking."""
    conversation_id = await opened(api)
    linked = await api.send("PUT", f"{CONVERSATIONS}/{conversation_id}", {"booking_ids": ["b-1"]})
    assert linked.status == 200, linked.json
    return conversation_id


def labels_of(view: dict[str, Any]) -> dict[str, Any]:
    return {name: view[name] for name in LABELS}


@both_databases
async def test_labels_stay_with_the_message_until_it_is_deleted(world: World, api: Api) -> None:
    conversation_id = await with_booking(api)
    body = {"sender_id": "u-anna", "text": "Three tiers"} | LABELS
    made = (await api.post(messages_of(conversation_id), body)).json
    assert labels_of(made) == LABELS
    assert labels_of((await said(api, conversation_id)).json) == NONE
    (listed, plain) = (await api.get(messages_of(conversation_id))).json["messages"]
    assert (listed, labels_of(plain)) == (made, NONE)
    rows: list[Any] = await world.database.fetch("SELECT * FROM message_labels")
    assert len(rows) == 1
    assert b"marzipan" not in bytes(rows[0]["content"])
    one = f"/api/v1/messages/{made['message_id']}"
    world.clock.advance(1)
    edited = (await api.send("PUT", one, {"sender_id": "u-anna", "text": "Four tiers"})).json
    assert labels_of(edited) == LABELS
    assert edited["updated_at"] == edited["edited_at"] > edited["created_at"] == made["sent_at"]
    deleted = (await api.request("DELETE", one)).json
    assert labels_of(deleted) == NONE
    assert await world.database.fetch("SELECT * FROM message_labels") == []


async def test_what_is_said_later_has_its_labels_then(world: World, api: Api) -> None:
    conversation_id = await with_booking(api)
    body = {"sender_id": "u-anna", "text": "Three tiers", "send_at": SOON} | LABELS
    assert labels_of((await api.post(messages_of(conversation_id), body)).json) == LABELS
    world.clock.advance(60 * 60 * 1000)
    await world.due_messages.do_due()
    (message,) = (await api.get(messages_of(conversation_id))).json["messages"]
    assert labels_of(message) == LABELS


async def test_a_repeated_message_has_no_labels(api: Api) -> None:
    conversation_id = await with_booking(api)
    body = {"sender_id": "u-anna", "text": "Three tiers"} | LABELS
    made = (await api.post(messages_of(conversation_id), body)).json
    to = {"sender_id": "u-anna", "conversation_id": await opened(api, "p-1", "v-2")}
    repeated = await api.post(f"/api/v1/messages/{made['message_id']}/forward", to)
    assert labels_of(repeated.json) == NONE


async def with_leads(api: Api) -> str:
    """The id of Anna's conversation with Sweet Bites, in which l-1 and l-2 have their threads; l-3 has not."""
    for lead_id, vendor_id in (("l-1", "v-1"), ("l-2", "v-1"), ("l-3", "v-2")):
        asked = BODIES["openLead"] | {"lead_id": lead_id, "vendor": vendor(vendor_id)}
        assert (await api.post("/api/v1/leads", asked)).status == 201
    return await opened(api)


@both_databases
async def test_a_message_belongs_to_its_lead_from_the_start_and_may_be_given_to_another(
    world: World, api: Api
) -> None:
    here = messages_of(await with_leads(api))
    said_for = {"sender_id": "v-1", "text": "Three tiers", "lead_id": "l-1", "tags": ["cake"]}
    made = await api.post(here, said_for)
    assert (made.status, made.json["lead_id"], made.json["tags"]) == (201, "l-1", ["cake"])
    one = f"/api/v1/messages/{made.json['message_id']}"
    assert (await api.get(one)).json == made.json
    assert (await api.get("/api/v1/leads/l-1")).json["status"] == "answered"
    assert (await api.get("/api/v1/leads/l-2")).json["status"] == "new", "it was said for the other one"
    path = f"messages/{made.json['message_id']}"
    assert (await api.request("PUT", f"/api/v1/leads/l-2/{path}")).status == 200
    assert (await api.get(one)).json["lead_id"] == "l-2"
    later = await api.post(here, said_for | {"send_at": SOON})
    assert (later.status, later.json["lead_id"]) == (202, "l-1")
    world.clock.advance(60 * 60 * 1000)
    await world.due_messages.do_due()
    assert (await api.get(f"/api/v1/messages/{later.json['scheduled_id']}")).json["lead_id"] == "l-1"


@pytest.mark.parametrize("lead_id", ["l-3", "l-4", "l-5"])  # of another conversation, tenant, of none
async def test_a_lead_of_no_thread_of_the_conversation_is_refused(
    world: World, sides: Sides, lead_id: str
) -> None:
    api = sides.ours
    conversation_id = await with_leads(api)
    theirs = await sides.theirs.post("/api/v1/leads", BODIES["openLead"] | {"lead_id": "l-4"})
    assert theirs.status == 201
    before = await world.contents()
    for later in ({}, {"send_at": SOON}):
        body = {"sender_id": "u-anna", "text": "Hello", "lead_id": lead_id} | later
        refused = await api.post(messages_of(conversation_id), body)
        assert (refused.status, refused.problem) == (409, "not_in_conversation")
        assert refused.json["field"] == "lead_id"
    assert await world.contents() == before


@pytest.mark.parametrize(
    ("label", "status", "problem", "field"),
    [
        ({"priority": "whenever"}, 422, "invalid_input", "priority"),
        ({"tags": ["cake", "cake"]}, 422, "invalid_input", "tags"),
        ({"tags": ["\u202ecake"]}, 422, "invalid_input", "tags[0]"),
        ({"metadata": {"a b": 1}}, 422, "invalid_input", None),
        ({"metadata": {"a": {}}}, 422, "invalid_input", None),
        ({"booking_id": "b-2"}, 409, "not_in_conversation", "booking_id"),  # of no conversation
        ({"booking_id": "b-3"}, 409, "not_in_conversation", "booking_id"),  # another conversation's
    ],
)
async def test_a_label_that_is_none_is_refused(
    world: World, api: Api, label: dict[str, Any], status: int, problem: str, field: str | None
) -> None:
    conversation_id = await with_booking(api)
    other = await opened(api, "p-2", "v-2")
    await api.send("PUT", f"{CONVERSATIONS}/{other}", {"booking_ids": ["b-3"]})
    before = await world.contents()
    for later in ({}, {"send_at": SOON}):
        body = {"sender_id": "u-anna", "text": "Hello"} | label | later
        answer = await api.post(messages_of(conversation_id), body)
        assert (answer.status, answer.problem) == (status, problem)
        assert field is None or answer.json["field"] == field
    assert await world.contents() == before


async def test_a_message_says_as_what_and_from_where_it_was_said(world: World, api: Api) -> None:
    conversation_id = await opened(api)
    await said(api, conversation_id)
    await api.post(messages_of(conversation_id), {"sender_id": "v-1", "text": "Hello"})
    await heard(world, conversation_id, "Hello again", "$1")
    views = (await api.get(messages_of(conversation_id))).json["messages"]
    assert [(one["sender_role"], one["direction"]) for one in views] == [
        ("host", "outbound"),
        ("vendor", "outbound"),
        ("host", "inbound"),
    ]
    assert {one["channel_id"] for one in views} == {conversation_id}
