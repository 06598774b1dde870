"""A booking in its room: one card, edited in place and pinned; a notice for each change; an encrypted calendar file."""

import json

import pytest

from appservice.homeserver import HomeserverUnavailable
from bridge.delivery.dispatcher import Retry
from tests.appservice.changes.bookings import calendar_in, happens, is_edit, paid, pinned, seen, told
from tests.appservice.changes.room import Conversation
from tests.appservice.changes.test_from_our_side import MOMENTS
from tests.appservice.encryption.engine import BOT, TENANT
from tests.appservice.encryption.party import Party
from tests.databases import both_databases
from tests.fakes.homeserver import Moment

MONTH = 30 * 24 * 3_600_000


@both_databases
async def test_a_booking_from_its_request_to_its_end(talk: Conversation, anna: Party) -> None:
    await happens(talk, told("requested", 1))
    (made,) = await seen(talk, anna)
    assert (made["sender"], made["content"]["msgtype"]) == (BOT, "m.notice")
    assert made["content"]["body"].startswith(
        "Booking requested: Catering\nStarts: Saturday 12 June 2027, 18:00"
    )
    assert made["content"]["formatted_body"].startswith("<strong>Booking requested: Catering</strong><br>")
    assert await pinned(talk) == [made["event_id"]]

    talk.clock.advance(MONTH)  # long after people may edit what they said
    later = {"starts_at": "2027-06-13T12:00:00+02:00"}
    await happens(talk, told("confirmed", 2), told("changed", 3, **later), paid(125_000))
    await happens(talk, told("completed", 4, **later))
    entries = await seen(talk, anna)
    edits = [entry for entry in entries if is_edit(entry)]
    assert {entry["content"]["m.relates_to"]["event_id"] for entry in edits} == {made["event_id"]}
    assert {entry["sender"] for entry in edits} == {BOT}
    titles = [entry["content"]["m.new_content"]["body"].splitlines() for entry in edits]
    assert [lines[0] for lines in titles] == [
        "Booking confirmed: Catering",
        "Booking confirmed: Catering",
        "Booking confirmed: Catering",
        "Booking completed: Catering",
    ]
    assert titles[-1][1:] == [
        "Starts: Sunday 13 June 2027, 12:00 GMT+02:00",
        "Total: EUR 1,250.00",
        "Paid: EUR 1,250.00, in full",
    ]
    others = [entry["content"]["body"].splitlines()[0] for entry in entries[1:] if not is_edit(entry)]
    assert others == [
        "Booking confirmed: Catering",
        "booking-b1.ics",
        "Booking changed: Catering",
        "booking-b1.ics",
        "Payment received: Catering",
        "Booking completed: Catering",
    ]
    assert await pinned(talk) == [made["event_id"]]


async def test_a_calendar_file_is_readable_in_the_room_alone(talk: Conversation, anna: Party) -> None:
    await happens(talk, told("confirmed", 1), told("cancelled", 2))
    files = [entry for entry in await seen(talk, anna) if entry["content"]["msgtype"] == "m.file"]
    published, cancelled = (calendar_in(talk, entry) for entry in files)
    assert (published["method"], cancelled["method"]) == ("PUBLISH", "CANCEL")
    (event,), (gone,) = published.walk("VEVENT"), cancelled.walk("VEVENT")
    assert event["uid"] == gone["uid"] == f"b1@{TENANT}.festimo"
    assert gone["sequence"] > event["sequence"]
    assert event["dtstart"].dt.isoformat() == "2027-06-12T18:00:00+02:00"
    content = files[0]["content"]
    assert (content["filename"], content["info"]["mimetype"]) == ("booking-b1.ics", "text/calendar")
    assert content["file"]["v"] == "v2"
    assert all(b"VEVENT" not in media for media in talk.homeserver.media.values())


async def test_no_price_and_no_date_leaves_the_ciphertext(talk: Conversation, anna: Party) -> None:
    await happens(talk, told("confirmed", 1), told("changed", 2, service="Canary"), paid(98_765))
    homeserver = talk.homeserver
    outside = json.dumps([talk.in_room(), homeserver.rooms[talk.in_room()[0]["room_id"]].state], default=str)
    outside += str(homeserver.log)
    for secret in ("Canary", "Catering", "2027-06", "EUR", "987.65", "VEVENT", "booking-b1", "text/calendar"):
        assert secret not in outside, secret


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_file_whose_upload_or_sending_was_not_answered_is_there_once(
    talk: Conversation, anna: Party, moment: Moment
) -> None:
    lost = {"upload", "send_encrypted"}

    def lose(call: str, at: Moment) -> None:
        if call in lost and at == moment:
            lost.discard(call)
            raise HomeserverUnavailable("no answer")

    talk.homeserver.on_moment = lose
    with pytest.raises(Retry):
        await happens(talk, told("confirmed", 1))
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.go_out()
    assert not lost
    entries = await seen(talk, anna)
    assert [entry["content"]["msgtype"] for entry in entries] == ["m.notice", "m.file"]
    assert calendar_in(talk, entries[1])["method"] == "PUBLISH"
