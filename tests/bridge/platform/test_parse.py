from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from bridge.config.messages import LONGEST_TEXT
from bridge.platform.events import Unknown
from bridge.platform.events.bookings import BookingConfirmed
from bridge.platform.events.messages import MessageSend
from bridge.platform.events.parties import PartyPlanCompleted
from bridge.platform.parse import parse
from bridge.web.body import MalformedJson
from tests.bridge.platform.sender import booking_confirmed, encode, event, message_send, plan_completed


def test_a_plan_names_party_and_vendors() -> None:
    parsed = parse(encode(plan_completed()))
    assert isinstance(parsed, PartyPlanCompleted)
    assert parsed.data.party.id == "p-1"
    assert [vendor.id for vendor in parsed.data.vendors] == ["v-1", "v-2"]
    assert parsed.data.party.hosts[0].mxid == "@anna:example.org"
    assert parsed.time == datetime(2027, 5, 1, 10, 0, 0, 500_000, tzinfo=UTC)


def test_a_booking_keeps_its_zone() -> None:
    parsed = parse(encode(booking_confirmed()))
    assert isinstance(parsed, BookingConfirmed)
    assert parsed.data.booking.starts_at.isoformat() == "2027-06-12T18:00:00+02:00"
    assert parsed.data.booking.total is not None
    assert parsed.data.booking.total.amount == 125_000


def test_text_is_kept_to_the_letter() -> None:
    text = "  two spaces,\n\ta tab, e\u0301 and 🎉 "
    parsed = parse(encode(message_send(text)))
    assert isinstance(parsed, MessageSend)
    assert parsed.data.text == text


def test_what_was_accepted_stays_valid_when_the_limit_is_lowered() -> None:
    body = encode(message_send("x" * LONGEST_TEXT))
    with pytest.raises(ValidationError):
        parse(body, max_text_length=100)
    assert isinstance(parse(body), MessageSend)


def test_extension_attributes_are_kept_apart_from_ours() -> None:
    parsed = parse(encode(plan_completed() | {"sequence": 7}))
    assert parsed.model_extra == {"sequence": 7}


def test_an_unknown_type_keeps_its_data() -> None:
    parsed = parse(encode(event("party.postponed", {"days": 5})))
    assert isinstance(parsed, Unknown)
    assert parsed.data == {"days": 5}


def test_events_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse(encode(message_send())).id = "another"


def test_an_error_never_repeats_the_text() -> None:
    with pytest.raises(ValidationError) as error:
        parse(encode(message_send("secret\r\ntext")))
    assert "secret" not in str(error.value)


def test_stored_garbage_is_told_apart() -> None:
    with pytest.raises(MalformedJson):
        parse(b"\xff")
