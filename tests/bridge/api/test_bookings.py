"""Bookings by REST: what was told of them, page by page, to whom it concerns."""

from typing import Any

import pytest

from tests.bridge.api.client import Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, event_sent, opened, quoted
from tests.bridge.api.world import OURS, SECRETS, World
from tests.bridge.platform.sender import booking_confirmed, event, party, vendor
from tests.databases import both_databases

BOOKINGS = "/api/v1/bookings"


async def applied(world: World) -> None:
    for lane in await world.inbox.lanes():
        while item := await world.inbox.head(lane):
            await world.platform.apply(item)


async def booked(
    api: Api,
    world: World,
    booking_id: str = "b-1",
    *,
    party_id: str = "p-1",
    vendor_id: str = "v-1",
    kind: str = "confirmed",
) -> None:
    sent = booking_confirmed() | {"id": f"{kind} {booking_id}", "type": f"booking.{kind}"}
    sent["data"] = {
        "booking": sent["data"]["booking"] | {"id": booking_id},
        "party": party() | {"id": party_id, "hosts": [{"id": f"host-of-{party_id}", "name": "Anna"}]},
        "vendor": vendor(vendor_id),
    }
    assert (await event_sent(api, SECRETS[OURS], sent)).status == 202
    world.clock.advance(1)
    await applied(world)


async def ids(api: Api, path: str = BOOKINGS, **query: str | int) -> list[str]:
    answer = await api.get(path, **query)
    assert answer.status == 200, answer.json
    return [view["booking_id"] for view in answer.json["bookings"]]


@both_databases
async def test_a_booking_reads_as_it_was_told(sides: Sides, world: World) -> None:
    await booked(sides.ours, world)
    payment: dict[str, Any] = {
        "party_id": "p-1",
        "booking_id": "b-1",
        "payment": {"id": "pay-1", "amount": 25_000, "currency": "EUR"},
    }
    await event_sent(sides.ours, SECRETS[OURS], event("payment.received", payment, id="evt-2"))
    await applied(world)
    shown = (await sides.ours.get(f"{BOOKINGS}/b-1")).json
    conversation = (await sides.ours.get("/api/v1/parties/p-1/conversations")).json["conversations"][0]
    card = (await sides.ours.get(f"/api/v1/messages/{shown['message_id']}")).json
    assert shown == {
        "booking_id": "b-1",
        "conversation_id": conversation["conversation_id"],
        "party_id": "p-1",
        "vendor_id": "v-1",
        "status": "confirmed",
        "payment_status": "partly_paid",
        "service": "Catering",
        "starts_at": "2027-06-12T16:00:00.000Z",
        "ends_at": "2027-06-12T21:30:00.000Z",
        "time_zone": None,
        "total": {"amount": 125_000, "currency": "EUR"},
        "paid": {"amount": 25_000, "currency": "EUR"},
        "accepted_quote": None,
        "message_id": card["message_id"],
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
    }
    assert card["content"].splitlines()[0] == "Booking confirmed: Catering"
    assert card["is_pinned"]
    assert conversation["booking_ids"] == ["b-1"]
    media = (await sides.ours.get(f"{CONVERSATIONS}/{conversation['conversation_id']}/media")).json["media"]
    assert [(one["file_name"], one["file_type"]) for one in media] == [("booking-b-1.ics", "text/calendar")]
    await world.feed.order()
    kinds = await world.database.fetch("SELECT about FROM feed WHERE kind = 'booking.updated'")
    assert [row["about"] for row in kinds] == ['{"booking_id": "b-1"}'] * 2


async def test_bookings_come_in_pages_and_by_what_they_are_of(sides: Sides, world: World) -> None:
    await booked(sides.ours, world, "b-1")
    await booked(sides.ours, world, "b-2", vendor_id="v-2")
    await booked(sides.ours, world, "b-3", party_id="p-2")
    assert await ids(sides.ours) == ["b-3", "b-2", "b-1"]
    first = await sides.ours.get(BOOKINGS, limit=2)
    rest = await sides.ours.get(BOOKINGS, limit=2, cursor=first.json["next_cursor"])
    assert [view["booking_id"] for view in rest.json["bookings"]] == ["b-1"]
    assert rest.json["next_cursor"] is None
    other = await sides.ours.get(BOOKINGS, status="confirmed", cursor=first.json["next_cursor"])
    assert (other.status, other.problem) == (422, "invalid_cursor")
    assert await ids(sides.ours, party_id="p-1") == ["b-2", "b-1"]
    assert await ids(sides.ours, vendor_id="v-1", status="confirmed") == ["b-3", "b-1"]
    assert await ids(sides.ours, status="cancelled") == []
    here = (await sides.ours.get(f"{BOOKINGS}/b-2")).json["conversation_id"]
    assert await ids(sides.ours, f"{CONVERSATIONS}/{here}/bookings") == ["b-2"]
    assert await ids(sides.ours, conversation_id=here) == ["b-2"]


async def test_a_person_finds_the_bookings_of_their_own_conversations(
    people: People, sides: Sides, world: World
) -> None:
    await booked(sides.ours, world, "b-1")
    await booked(sides.ours, world, "b-2", party_id="p-2", vendor_id="v-2")
    theirs = people.who("host", "host-of-p-1")
    assert await ids(theirs) == ["b-1"]
    assert await ids(people.sweet_bites) == ["b-1"]
    assert await ids(people.who("vendor", "v-2")) == ["b-2"]
    assert await ids(people.who("host", "stranger")) == []
    here = (await sides.ours.get(f"{BOOKINGS}/b-2")).json["conversation_id"]
    assert await ids(theirs, conversation_id=here) == []
    for path in (f"{BOOKINGS}/b-2", f"{CONVERSATIONS}/{here}/bookings"):
        answer = await theirs.get(path)
        assert (answer.status, answer.problem) == (404, "not_found")
    unknown = await theirs.get(f"{BOOKINGS}/b-9")
    assert unknown.json == (await theirs.get(f"{BOOKINGS}/b-2")).json  # nor can they tell that there is one
    assert (await theirs.get(f"{BOOKINGS}/b-1")).status == 200


async def test_the_accepted_quote_of_its_card_shows_to_whoever_sees_the_booking(
    people: People, sides: Sides, world: World
) -> None:
    await booked(sides.ours, world)
    here = (await sides.ours.get(f"{BOOKINGS}/b-1")).json["conversation_id"]
    offered = (await quoted(people.sweet_bites, here)).json
    await booked(sides.ours, world, kind="changed")
    assert (await people.sweet_bites.get(f"{BOOKINGS}/b-1")).json["accepted_quote"] is None  # only offered
    host = people.who("host", "host-of-p-1")
    exact = {"revision": 1, "total": offered["total"], "currency": offered["currency"]}
    assert (await host.post(f"/api/v1/quotes/{offered['quote_id']}/accept", exact)).status == 200
    await booked(sides.ours, world, kind="completed")
    for api in (sides.ours, people.sweet_bites, host):
        one = (await api.get(f"{BOOKINGS}/b-1")).json
        total = {"amount": 384_000, "currency": "EUR"}
        assert one["accepted_quote"] == {"number": offered["number"], "revision": 1, "total": total}
        card = (await api.get(f"/api/v1/messages/{one['message_id']}")).json
        assert card["content"].splitlines()[-1] == "Quote 1, revision 1, accepted: EUR 3,840.00"
        assert (await api.get(BOOKINGS)).json["bookings"] == [one]
        assert (await api.get(f"{CONVERSATIONS}/{here}/bookings")).json["bookings"] == [one]
    stranger = people.who("host", "stranger")
    assert (await stranger.get(f"{BOOKINGS}/b-1")).status == 404
    assert await ids(stranger) == []


@pytest.mark.parametrize("action", ["leave", "block", "delete"])
async def test_who_is_out_of_a_conversation_finds_its_bookings_no_more(
    people: People, sides: Sides, world: World, action: str
) -> None:
    await booked(sides.ours, world)
    assert await ids(people.sweet_bites) == ["b-1"]
    here = (await sides.ours.get(f"{BOOKINGS}/b-1")).json["conversation_id"]
    if action == "leave":
        await people.sweet_bites.post(f"{CONVERSATIONS}/{here}/leave", {})
    elif action == "block":
        await sides.ours.post(f"{CONVERSATIONS}/{here}/block", {"side": "vendor"})
    else:
        await sides.ours.request("DELETE", f"{CONVERSATIONS}/{here}")
    assert await ids(people.sweet_bites) == []
    assert (await people.sweet_bites.get(f"{BOOKINGS}/b-1")).status == 404
    assert await ids(sides.ours) == ([] if action == "delete" else ["b-1"])


async def test_another_tenants_bookings_are_not_listed(sides: Sides, world: World) -> None:
    await booked(sides.ours, world)
    await opened(sides.theirs)
    assert await ids(sides.theirs) == []
    assert (await sides.theirs.get(f"{BOOKINGS}/b-1")).status == 404
