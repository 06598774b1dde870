"""What Festimo answers, and when it keeps silent: pure."""

from datetime import datetime

import pytest

from bridge.bookings.model import Booking, Money, Terms
from bridge.conversations.model import Conversation, Member, Role
from bridge.core.ids import BookingId, ConversationId, ParticipantId, PartyId, TenantId, VendorId
from bridge.festimo.answers import answer, deed, help_text, is_for_festimo
from bridge.festimo.commands import COMMANDS
from bridge.festimo.model import Scene, SetStatus, WriteQuote
from bridge.participants.model import Participant

TENANT = TenantId("festipin")


def member(name: str, role: Role) -> Member:
    person = Participant(
        tenant_id=TENANT, participant_id=ParticipantId(name.lower()), name=name, mxid=None, avatar_url=None
    )
    return Member(person, role)


def scene(*bookings: Booking, asker: Member | None = None) -> Scene:
    conversation = Conversation(
        tenant_id=TENANT,
        conversation_id=ConversationId("c"),
        party_id=PartyId("p"),
        vendor_id=VendorId("v"),
        title="Anna & Ben x Sweet Bites",
        status="active",
        created_at=0,
    )
    members = [member("Anna", "host"), member("Sweet Bites", "vendor")]
    return Scene(conversation=conversation, members=members, bookings=bookings, asker=asker)


CATERING = Booking(
    booking_id=BookingId("b"),
    status="confirmed",
    terms=Terms(
        service="Catering",
        starts_at=datetime.fromisoformat("2027-06-12T17:00:00+02:00"),
        total=Money(amount=384000, currency="EUR"),
    ),
    paid=Money(amount=84000, currency="EUR"),
)
NOTHING_BOOKED = """\
Anna & Ben x Sweet Bites
People: Anna (host), Sweet Bites (vendor)
Nothing is booked so far."""
BOOKED = """\
Anna & Ben x Sweet Bites
People: Anna (host), Sweet Bites (vendor)
Bookings:
- Catering: confirmed, Saturday 12 June 2027, 17:00 GMT+02:00, EUR 3,840.00, EUR 840.00 paid"""


@pytest.mark.parametrize(
    ("text", "mentioned", "expected"),
    [
        # People talk to each other.
        ("Is the cake ready?", False, False),
        # A word that only begins like its name, or the command inside a text.
        ("What a festimonial!", False, False),
        ("I typed !festimonial", False, False),
        # Commands, however written.
        ("!festimo", False, True),
        ("  !FESTIMO   status", False, True),
        # Its name, or a pill.
        ("Festimo, what is booked?", False, True),
        ("what is booked?", True, True),
    ],
)
def test_festimo_answers_who_speaks_to_it(text: str, mentioned: bool, expected: bool) -> None:
    assert is_for_festimo(text, mentioned=mentioned) is expected


@pytest.mark.parametrize(
    ("text", "bookings", "expected"),
    [
        # No command, and the command for help.
        ("!festimo", (), help_text()),
        ("!festimo help", (), help_text()),
        ("!festimo HELP me", (), help_text()),
        # What is known, and nothing else.
        ("!festimo status", (), NOTHING_BOOKED),
        ("!festimo status", (CATERING,), BOOKED),
        ("!festimo status please", (CATERING,), BOOKED),
        # A plain question that one command answers.
        ("Festimo, when is our booking?", (CATERING,), BOOKED),
        ("Who is here, Festimo?", (), NOTHING_BOOKED),
        # A greeting gets help.
        ("Hi Festimo!", (), help_text()),
        # Unknown: help, not silence, and no invention.
        ("!festimo dance", (), f"I do not know that command.\n{help_text()}"),
        (
            "Festimo, will it rain?",
            (CATERING,),
            f"I am not sure what you mean; the people here will know.\n{help_text()}",
        ),
    ],
)
def test_festimo_says_what_it_knows(text: str, bookings: tuple[Booking, ...], expected: str) -> None:
    assert answer(text, scene(*bookings)) == expected


def test_help_lists_every_command() -> None:
    for command in COMMANDS:
        assert f"!festimo {command.name}: {command.summary}" in help_text()


CHEF, ANNA = member("Chef", "vendor"), member("Anna", "host")
BUSY, AUTO = SetStatus(VendorId("chef"), "busy"), SetStatus(VendorId("chef"), None)


@pytest.mark.parametrize(
    ("text", "asker", "expected"),
    [
        # Of themselves, however written.
        ("!festimo status busy", CHEF, BUSY),
        ("!FESTIMO  status   BUSY", CHEF, BUSY),
        ("!festimo status auto", CHEF, AUTO),
        # A question is no command, and changes nothing.
        ("!festimo status", CHEF, None),
        ("!festimo status please", CHEF, None),
        ("Festimo, status busy", CHEF, None),
        ("!festimo dance busy", CHEF, None),
        # Nobody else is shown as there or away by it.
        ("!festimo status busy", ANNA, None),
        ("!festimo status busy", None, None),
    ],
)
def test_a_vendor_says_whether_they_are_there(
    text: str, asker: Member | None, expected: SetStatus | None
) -> None:
    here = scene(asker=asker)
    assert deed(text, here) == expected
    said = answer(text, here)
    assert said.startswith(("You are shown as busy", "From now on")) == (expected is not None)
    if "status busy" in text.lower() and text.startswith("!") and expected is None:
        assert said == "Only a vendor is shown as there or away. Nothing was changed."


@pytest.mark.parametrize(
    ("text", "asker", "expected"),
    [
        # All that stands behind the name, in whatever lines.
        ("!festimo quote Cake; Cake: 5 EUR", CHEF, "Cake; Cake: 5 EUR"),
        ("!festimo quote\nCake: 5\nEUR", CHEF, "Cake: 5\nEUR"),
        ("!festimo\nquote\n\n Cake: 5 EUR", CHEF, "Cake: 5 EUR"),
        ("!festimo quote", CHEF, ""),
        # Talk about one is none, and hosts send none.
        ("Festimo, a quote for a cake: 5 EUR", CHEF, None),
        ("!festimo quote Cake: 5 EUR", ANNA, None),
        ("!festimo quote Cake: 5 EUR", None, None),
    ],
)
def test_a_vendor_writes_about_quotes(text: str, asker: Member | None, expected: str | None) -> None:
    here = scene(asker=asker)
    assert deed(text, here) == (None if expected is None else WriteQuote(ParticipantId("chef"), expected))
    if expected is None:
        assert answer(text, here).startswith("Quotes are sent by vendors.")
