"""A booking in real clients: its card, changed in place and pinned, and a calendar file that they alone can open."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nio.crypto.attachments import decrypt_attachment

from appservice.embedded.timeline import Entry
from bridge.demo.stand import Stand
from tests.bridge.bookings.examples import read_calendar
from tests.clients.people import People
from tests.e2e.scene import without_a_shield
from tests.e2e.test_changes import ChangingScene
from tests.e2e.test_first_path import eventually, party

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOOKING = {
    "id": "b1",
    "service": "Catering",
    "starts_at": "2027-06-12T14:00:00+02:00",
    "time_zone": "Europe/Berlin",
    "total": {"amount": 384_000, "currency": "EUR"},
}


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[ChangingScene]:
    async with People(ground.synapse, tmp_path) as people:
        scene = ChangingScene(ground, people)
        async with scene.running():
            yield scene


async def tell(scene: ChangingScene, kind: str, **changed: Any) -> None:
    booking = BOOKING | changed
    data = {"party": party(*scene.hosts, party_id=scene.party_id), "vendor": scene.chef, "booking": booking}
    await scene.ground.platform.send(f"booking.{kind}", data)


async def test_a_booking_from_its_request_to_its_cancellation(scene: ChangingScene) -> None:
    anna, bea = await scene.people.person("Anna"), await scene.people.person("Bea")
    js, nio = await scene.people.js(anna), await scene.people.nio(bea)
    await scene.open(js, nio, hosts={"Anna": anna, "Bea": bea})
    await tell(scene, "requested")
    requested = await scene.stored(lambda one: one.kind == "system" and one.status == "sent")
    card = await nio.wait_for_text(scene.room, requested.text)
    assert card.body.splitlines() == [
        "Booking requested: Catering",
        "Starts: Saturday 12 June 2027, 14:00 GMT+02:00",
        "Total: EUR 3,840.00",
    ]
    bot = scene.bridge.names.bot

    await tell(scene, "confirmed")
    later = {"starts_at": "2027-06-13T12:00:00+02:00"}
    await tell(scene, "changed", **later)
    payment = {"id": "pay-1", "amount": 384_000, "currency": "EUR"}
    data = {"party_id": scene.party_id, "booking_id": "b1", "payment": payment}
    await scene.ground.platform.send("payment.received", data)
    await tell(scene, "cancelled", **later)
    last = (
        "Booking cancelled: Catering\nStarts: Sunday 13 June 2027, 12:00 GMT+02:00\nTotal: EUR 3,840.00\n"
        "Paid: EUR 3,840.00, in full"
    )
    shown = await js.wait_for_text(scene.room, last)  # Element shows the edit in place of the card
    assert (shown.event_id, shown.sender) == (card.event_id, bot)
    assert without_a_shield(shown)
    await nio.wait_for_text(scene.room, "booking-b1-cancelled.ics")

    timeline = [one for one in nio.timeline(scene.room) if one.sender == bot]
    assert all(one.encrypted and not one.warning for one in timeline)
    edits = [one for one in timeline if "m.new_content" in one.content]
    assert {one.content["m.relates_to"]["event_id"] for one in edits} == {card.event_id}
    assert edits[-1].content["m.new_content"]["body"] == last
    assert [one.body for one in timeline if one not in edits and one.body != card.body][1:] == [
        "Booking confirmed: Catering",
        "booking-b1.ics",
        "Booking changed: Catering\nStarts: Saturday 12 June 2027, 14:00 GMT+02:00 → Sunday 13 June 2027, 12:00"
        " GMT+02:00",
        "booking-b1.ics",
        "Payment received: Catering\nPaid: – → EUR 3,840.00, in full",
        "Booking cancelled: Catering",
        "booking-b1-cancelled.ics",
    ]

    async def pinned() -> list[str] | None:
        path = f"v3/rooms/{scene.room}/state/m.room.pinned_events"
        status, content = await scene.call("GET", path, nio.access_token)
        return content["pinned"] if status == 200 else None

    assert await eventually(pinned) == [card.event_id]

    files = [one for one in timeline if one.content.get("msgtype") == "m.file"]
    calendars = [await opened(scene, one, nio.access_token) for one in files]
    assert [one["method"] for one in calendars] == ["PUBLISH", "PUBLISH", "CANCEL"]
    events = [one.walk("VEVENT")[0] for one in calendars]
    assert [one["sequence"] for one in events] == [0, 1, 2]
    assert len({one["uid"] for one in events}) == 1
    assert [one["dtstart"].dt.isoformat() for one in events] == [
        "2027-06-12T14:00:00+02:00",
        *["2027-06-13T12:00:00+02:00"] * 2,
    ]
    assert str(events[0]["dtstart"].dt.tzinfo) == "Europe/Berlin"

    listed = await scene.api("GET", f"conversations/{requested.conversation_id}/bookings")
    (view,) = listed["bookings"]
    assert (view["status"], view["payment_status"], view["message_id"]) == (
        "cancelled",
        "paid",
        requested.message_id,
    )


async def opened(scene: ChangingScene, entry: Entry, token: str) -> Any:
    """What the media repository has, decrypted by an independent client and read by a calendar's library."""
    file = entry.content["file"]
    assert (entry.content["info"]["mimetype"], file["v"]) == ("text/calendar", "v2")
    path = f"v1/media/download/{file['url'].removeprefix('mxc://')}"
    status, ciphertext = await scene.call("GET", path, token)
    assert status == 200
    assert b"VEVENT" not in ciphertext
    data = decrypt_attachment(ciphertext, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
    return read_calendar(bytes(data))
