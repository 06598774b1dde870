"""Leads by REST: those concerned see them, those who judge them say so."""

import pytest

from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import said
from tests.bridge.api.test_access import BODIES
from tests.bridge.platform.sender import vendor
from tests.databases import both_databases

LEADS = "/api/v1/leads"


async def opened(api: Api, lead_id: str = "l-1", vendor_id: str = "v-1") -> Answer:
    answer = await api.post(LEADS, BODIES["openLead"] | {"lead_id": lead_id, "vendor": vendor(vendor_id)})
    assert answer.status in (200, 201), answer.json
    return answer


async def listed(api: Api, **query: str) -> list[str]:
    page = await api.get(LEADS, **query)
    return [one["lead_id"] for one in page.json["leads"]]


@both_databases
async def test_a_lead_is_opened_once(people: People) -> None:
    first, again = await opened(people.sides.ours), await opened(people.sides.ours)
    assert (first.status, again.status) == (201, 200)
    assert first.headers["Location"] == f"{LEADS}/l-1"
    assert first.json == again.json == (await people.anna.get(f"{LEADS}/l-1")).json


@both_databases
async def test_people_see_the_leads_of_their_conversations(people: People) -> None:
    for number, vendor_id in enumerate(("v-1", "v-2", "v-1")):
        people.world.clock.advance(1)
        await opened(people.sides.ours, f"l-{number}", vendor_id)
    assert await listed(people.sides.ours) == await listed(people.anna) == ["l-2", "l-1", "l-0"]
    assert await listed(people.sweet_bites) == ["l-2", "l-0"]
    assert await listed(people.sweet_bites, vendor_id="v-2") == []
    assert await listed(people.who("host", "u-ben")) == []
    page = await people.sides.ours.get(LEADS, limit="2")
    assert await listed(people.sides.ours, cursor=page.json["next_cursor"], limit="2") == ["l-0"]


async def test_a_lead_is_found_by_what_it_has_come_to(people: People) -> None:
    await opened(people.sides.ours)
    await opened(people.sides.ours, "l-2", "v-2")
    conversation = (await people.anna.get(f"{LEADS}/l-1")).json["conversation_id"]
    await people.sweet_bites.post(f"/api/v1/conversations/{conversation}/messages", {"text": "Gladly"})
    assert await listed(people.anna, status="answered") == ["l-1"]
    assert await listed(people.anna, status="new", conversation_id=conversation) == []
    won = await people.sweet_bites.send("PUT", f"{LEADS}/l-1", {"status": "won"})
    assert (won.json["status"], won.json["declared_status"]) == ("won", "won")
    assert await listed(people.anna, status="won") == ["l-1"]
    taken_back = await people.sweet_bites.send("PUT", f"{LEADS}/l-1", {"status": None})
    assert taken_back.json["status"] == "answered"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_message_is_linked_within_its_conversation(people: People, method: str) -> None:
    first, other = await opened(people.sides.ours), await opened(people.sides.ours, "l-2", "v-2")
    message = await said(people.sides.ours, first.json["conversation_id"])
    path = f"messages/{message.json['message_id']}"
    linked = await people.sides.ours.request("PUT", f"{LEADS}/l-1/{path}")
    assert linked.status == 200, linked.json
    assert (await people.anna.get(f"/api/v1/{path}")).json["lead_id"] == "l-1"
    answer = await people.sides.ours.request(method, f"{LEADS}/{other.json['lead_id']}/{path}")
    assert answer.problem == "not_in_conversation" if method == "PUT" else answer.status == 200
    assert (await people.anna.get(f"/api/v1/{path}")).json["lead_id"] == "l-1", "it is not that one's"
    await people.sides.ours.request("DELETE", f"{LEADS}/l-1/{path}")
    assert (await people.anna.get(f"/api/v1/{path}")).json["lead_id"] is None
