"""Quotes by REST: amounts are exact, and nothing is accepted but what somebody has before them."""

from typing import Any

import pytest

from bridge.feed.store import FeedStore
from tests.bridge.api.client import Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, opened, quote, quoted
from tests.bridge.api.world import OURS, World

QUOTES = "/api/v1/quotes"
ITEMS = [
    {"description": "Menu", "quantity": 80, "unit_price": 4_500},
    {"description": "Discount", "unit_price": -10_000},
]
YES = {"sender_id": "u-anna", "revision": 1, "total": 384_000, "currency": "EUR"}


async def made(api: Api, **more: Any) -> str:
    answer = await quoted(api, await opened(api), **more)
    assert answer.status == 201, answer.json
    return str(answer.json["quote_id"])


async def shown(api: Api, quote_id: str) -> Any:
    return (await api.get(f"{QUOTES}/{quote_id}")).json


async def test_what_is_offered_is_shown_exactly(sides: Sides) -> None:
    api, conversation = sides.ours, await opened(sides.ours)
    answer = await quoted(api, conversation, items=ITEMS, tax=66_500, total=416_500)
    sent = answer.json
    assert answer.headers["Location"] == f"{QUOTES}/{sent['quote_id']}"
    (revision,) = sent["revisions"]
    assert [(one["quantity"], one["unit_price"], one["amount"]) for one in revision["items"]] == [
        (80, 4_500, 360_000),
        (1, -10_000, -10_000),
    ]
    assert (revision["net"], revision["tax"], revision["total"]) == (350_000, 66_500, 416_500)
    assert (sent["state"], sent["number"], sent["revision"], sent["total"]) == ("sent", 1, 1, 416_500)
    assert await shown(api, sent["quote_id"]) == sent
    message = (await api.get(f"/api/v1/messages/{revision['message_id']}")).json
    assert (message["message_type"], message["sender_type"]) == ("quote", "festimo")
    assert "Total: EUR 4,165.00" in message["content"]
    assert [one["emoji"] for one in message["reactions"]] == ["✅", "❌"]
    listed = await api.get(f"{CONVERSATIONS}/{conversation}/quotes")
    assert listed.json == {"quotes": [sent], "next_cursor": None}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"items": []}, "items"),
    ({"items": [{"description": "Menu", "quantity": 0, "unit_price": 1}]}, "items[0].quantity"),
    ({"items": [{"description": "Menu", "quantity": 1.5, "unit_price": 1}]}, "items[0].quantity"),
    ({"items": [{"description": "Menu", "unit_price": 12.5}]}, "items[0].unit_price"),
    ({"items": [{"description": " ", "unit_price": 1}]}, "items[0].description"),
    ({"items": [{"description": "Menu", "unit_price": -1}], "tax": 0}, "items"),
    (
        {"items": [{"description": "Menu", "quantity": 1_000_000, "unit_price": 2**53 - 1}]},
        "items[0].unit_price",
    ),
    ({"currency": "DEM"}, "currency"),
    ({"currency": "eur"}, "currency"),
    ({"tax": -1}, "tax"),
    ({"total": 383_999}, "total"),
    ({"valid_until": "2027-01-15T07:59:59Z"}, "valid_until"),
    ({"valid_until": "2037-01-15T08:00:00Z"}, "valid_until"),
    ({"price": 1}, "price"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
async def test_what_is_no_offer_is_refused(
    sides: Sides, world: World, wrong: dict[str, Any], field: str
) -> None:
    conversation = await opened(sides.ours)
    before = await world.contents()
    answer = await quoted(sides.ours, conversation, **wrong)
    assert answer.status == 422
    assert field in (answer.json.get("field"), *(one["field"] for one in answer.json.get("errors", ())))
    assert await world.contents() == before


async def test_it_is_accepted_by_who_names_revision_and_total(sides: Sides, world: World) -> None:
    api, quote_id = sides.ours, await made(sides.ours)
    await api.post(f"{QUOTES}/{quote_id}/revisions", quote(tax=0))
    before = await world.contents()
    for other in ({}, {"revision": 2}, {"revision": 2, "total": 320_001}, {"revision": 3, "total": 320_000}):
        refused = await api.post(f"{QUOTES}/{quote_id}/accept", YES | other)
        assert (refused.status, refused.problem) == (409, "quote_differs")
    franc = YES | {"revision": 2, "total": 320_000, "currency": "CHF"}
    refused = await api.post(f"{QUOTES}/{quote_id}/accept", franc)
    assert (refused.problem, refused.json["field"]) == ("quote_differs", "currency")
    assert await world.contents() == before
    exact = YES | {"revision": 2, "total": 320_000}
    accepted = await api.post(f"{QUOTES}/{quote_id}/accept", exact)
    assert (accepted.status, accepted.json["state"]) == (200, "accepted")
    assert [one["state"] for one in accepted.json["revisions"]] == ["superseded", "accepted"]
    assert accepted.json["revisions"][1]["answered_by"] == "u-anna"
    before = await world.contents()
    again = await api.post(f"{QUOTES}/{quote_id}/accept", exact)
    assert (again.status, again.json) == (200, accepted.json)
    for path, body in (
        ("decline", {"sender_id": "u-anna", "revision": 2}),
        ("withdraw", {"sender_id": "v-1"}),
        ("revisions", quote()),
    ):
        refused = await api.post(f"{QUOTES}/{quote_id}/{path}", body)
        assert (refused.status, refused.problem) == (409, "quote_accepted")
    assert await world.contents() == before


async def test_what_nobody_stands_by_is_not_accepted(sides: Sides, world: World) -> None:
    quote_id = await made(sides.ours)
    async with world.database.transaction() as tx:
        await tx.execute("UPDATE conversation_members SET away = 'left' WHERE participant_id = 'v-1'")
    before = await world.contents()
    refused = await sides.ours.post(f"{QUOTES}/{quote_id}/accept", YES)
    assert (refused.status, refused.problem) == (409, "vendor_gone")
    assert await world.contents() == before
    declined = await sides.ours.post(f"{QUOTES}/{quote_id}/decline", {"sender_id": "u-anna", "revision": 1})
    assert (declined.status, declined.json["state"]) == (200, "declined")


async def test_after_its_time_it_is_expired_whoever_has_noticed(sides: Sides, world: World) -> None:
    quote_id = await made(sides.ours, valid_until="2027-01-15T09:00:00Z")
    world.clock.advance(60 * 60 * 1000)
    refused = await sides.ours.post(f"{QUOTES}/{quote_id}/accept", YES)
    assert (refused.status, refused.problem) == (409, "quote_expired")
    assert (await shown(sides.ours, quote_id))["state"] == "expired"
    revised = await sides.ours.post(f"{QUOTES}/{quote_id}/revisions", quote())
    assert [one["state"] for one in revised.json["revisions"]] == ["expired", "sent"]


async def test_people_act_as_themselves_and_by_their_role(people: People, world: World) -> None:
    conversation = await opened(people.sides.ours)
    body = {name: value for name, value in quote().items() if name != "sender_id"}
    path = f"{CONVERSATIONS}/{conversation}/quotes"
    assert (await people.anna.post(path, body)).problem == "forbidden"
    assert (await people.sweet_bites.post(path, quote(sender_id="u-anna"))).problem == "not_yourself"
    # A program may speak for everybody, but makes nobody a vendor or a host.
    assert (await quoted(people.sides.ours, conversation, sender_id="u-anna")).problem == "not_allowed"
    assert (await quoted(people.sides.ours, conversation, sender_id="v-2")).problem == "not_a_participant"
    quote_id = (await people.sweet_bites.post(path, body)).json["quote_id"]
    one = f"{QUOTES}/{quote_id}"
    yes = {name: value for name, value in YES.items() if name != "sender_id"}
    before = await world.contents()
    assert (await people.sweet_bites.post(f"{one}/accept", yes)).problem == "forbidden"
    assert (
        await people.sides.ours.post(f"{one}/accept", YES | {"sender_id": "v-1"})
    ).problem == "not_allowed"
    assert (await people.who("host", "u-ben").post(f"{one}/accept", yes)).problem == "not_found"
    assert (await people.who("vendor", "v-2").post(f"{one}/withdraw", {})).problem == "not_found"
    assert await world.contents() == before
    assert (await people.anna.post(f"{one}/accept", yes)).json["state"] == "accepted"


async def test_pages_of_quotes(sides: Sides) -> None:
    api, conversation = sides.ours, await opened(sides.ours)
    for _ in range(3):
        await quoted(api, conversation)
    path = f"{CONVERSATIONS}/{conversation}/quotes"
    page = (await api.get(path, limit=2)).json
    assert [one["number"] for one in page["quotes"]] == [3, 2]
    await quoted(api, conversation)
    rest = (await api.get(path, limit=2, cursor=page["next_cursor"])).json
    assert ([one["number"] for one in rest["quotes"]], rest["next_cursor"]) == ([1], None)
    other = await opened(api, "p-1", "v-2")
    refused = await api.get(f"{CONVERSATIONS}/{other}/quotes", cursor=page["next_cursor"])
    assert (refused.status, refused.problem) == (422, "invalid_cursor")


async def test_the_feed_tells_of_it_by_ids_only(sides: Sides, world: World) -> None:
    quote_id = await made(sides.ours)
    await sides.ours.post(f"{QUOTES}/{quote_id}/decline", {"sender_id": "u-anna", "revision": 1})
    await sides.ours.post(f"{QUOTES}/{quote_id}/revisions", quote())
    await sides.ours.post(f"{QUOTES}/{quote_id}/withdraw", {"sender_id": "v-1"})
    while await world.feed.order():
        pass
    entries = await FeedStore().of_tenant(world.database, OURS, after=0, limit=500)
    about = [(one.kind, one.about) for one in entries if one.kind.startswith("quote.")]
    ids = {"quote_id": quote_id}
    assert about == [
        ("quote.sent", ids),
        ("quote.declined", ids),
        ("quote.sent", ids),
        ("quote.withdrawn", ids),
    ]
