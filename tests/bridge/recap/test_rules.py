"""Who missed what, where they are told, and how it reads: tables."""

import json
from datetime import timedelta, timezone

import pytest

from bridge.conversations.model import Away, Member, Role
from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.participants.model import Participant
from bridge.recap import rules
from bridge.recap.model import Line, Recap, Said, State

MINUTE = 60_000
INVITED = 1_000 * MINUTE
NOW = 2_000 * MINUTE
WORST = "\x00\"&<>'\n🎂\ud800"
"""What takes most room in HTML and JSON, and what neither may hold."""


def recap(state: State, **more: int) -> Recap:
    return Recap(
        recap_id="r",
        tenant_id=TenantId("t"),
        conversation_id=ConversationId("c"),
        participant_id=ParticipantId("chef"),
        address="@chef:example.org",
        state=state,
        **{"asked_at": INVITED - 5, "invited_at": INVITED, **more},  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("state", "can_read", "after", "expected"),
    [
        # Right after the invite: they had a device all along, so there was no absence.
        ("invited", True, MINUTE, "present"),
        ("invited", True, 10 * MINUTE, "present"),
        ("present", True, MINUTE, "present"),
        # They have signed out everywhere.
        ("present", False, MINUTE, "away"),
        # First seen much later, as we or their server were away: unknown counts as unable.
        ("invited", True, 11 * MINUTE, "back"),
        ("invited", False, 0, "away"),
        ("away", True, 0, "back"),
        ("away", False, MINUTE, "away"),
        # The device is gone again before they came.
        ("back", False, MINUTE, "away"),
        ("back", True, MINUTE, "back"),
        # On its way, or told: nothing changes that.
        ("due", False, MINUTE, "due"),
        ("due", True, MINUTE, "due"),
        ("told", False, MINUTE, "told"),
        ("told", True, MINUTE, "told"),
    ],
)
def test_an_absence_follows_what_is_known_of_devices(
    state: State, can_read: bool, after: int, expected: State
) -> None:
    news = rules.told_whether_they_can_read(recap(state), can_read=can_read, now=INVITED + after)
    assert news.state == expected


def test_a_later_absence_begins_when_it_is_noticed() -> None:
    news = rules.told_whether_they_can_read(recap("present"), can_read=False, now=NOW)
    assert (news.asked_at, news.invited_at) == (NOW, NOW)


def test_who_was_asked_but_not_invited_yet_misses_nothing() -> None:
    asked = Recap(
        recap_id="r",
        tenant_id=TenantId("t"),
        conversation_id=ConversationId("c"),
        participant_id=ParticipantId("chef"),
        address="@chef:example.org",
        state="invited",
        asked_at=0,
    )
    assert rules.told_whether_they_can_read(asked, can_read=True, now=NOW).state == "present"


FOUND, JOINED = INVITED + 100, INVITED + 200


@pytest.mark.parametrize(
    ("at", "position", "from_client", "expected"),
    [
        # Ours: from the moment in which the invite was asked for, as it is sent after it.
        (INVITED - 6, 1, False, False),
        (INVITED - 5, 2, False, True),
        # Ours: until the first that was encrypted for the new device, whenever it was handed to us.
        (FOUND + 50, 9, False, True),
        (FOUND - 1, 10, False, False),
        # Others': strictly after the invite,
        (INVITED - 1, 3, True, False),
        (INVITED, 3, True, False),
        (INVITED + 1, 3, True, True),
        # and until the join, as their clients do not learn of the device before.
        (JOINED - 1, 20, True, True),
        (JOINED, 20, True, False),
    ],
)
def test_what_was_missed(at: int, position: int, from_client: bool, expected: bool) -> None:
    absence = recap("due", found_at=FOUND, found_before=10, joined_at=JOINED)
    assert rules.missed(absence, Said(MessageId("m"), position, at, from_client)) is expected


def test_without_the_time_of_the_invite_nothing_of_others_is_repeated() -> None:
    absence = Recap(
        recap_id="r",
        tenant_id=TenantId("t"),
        conversation_id=ConversationId("c"),
        participant_id=ParticipantId("chef"),
        address="@chef:example.org",
        state="due",
        asked_at=0,
        found_at=FOUND,
        found_before=10,
        joined_at=JOINED,
    )
    assert not rules.missed(absence, Said(MessageId("m"), 1, INVITED + 1, True))


@pytest.mark.parametrize(("state", "joined_at", "expected"), [("back", 1, True), ("away", 1, False)])
def test_a_recap_is_due_to_who_is_there_and_can_read(state: State, joined_at: int, expected: bool) -> None:
    assert rules.is_due(recap(state, joined_at=joined_at)) is expected


def test_who_has_not_come_yet_gets_none() -> None:
    assert not rules.is_due(recap("back"))


def member(name: str, role: Role, away: Away | None = None) -> Member:
    person = Participant(
        tenant_id=TenantId("t"), participant_id=ParticipantId(name), name=name, mxid=None, avatar_url=None
    )
    return Member(person, role, away)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        # One host, one vendor: between them.
        ([member("anna", "host"), member("chef", "vendor")], False),
        # Several hosts: it is nobody else's business.
        ([member("anna", "host"), member("ben", "host"), member("chef", "vendor")], True),
        # Who has left does not see it.
        ([member("anna", "host"), member("ben", "host", "left"), member("chef", "vendor")], False),
        # Alone, or not there: deny by default.
        ([member("chef", "vendor")], True),
        ([member("anna", "host"), member("chef", "vendor", "left")], True),
    ],
)
def test_a_recap_is_private_unless_there_are_two(members: list[Member], expected: bool) -> None:
    assert rules.is_private(members, ParticipantId("chef")) is expected


def line(text: str, *, name: str = "Anna", link: str | None = None, beside_text: bool = False) -> Line:
    return Line(name, 1_795_000_000_000, text, link, beside_text)


def test_a_recap_reads_oldest_first_with_names_and_times() -> None:
    words = rules.wording("Chef", [line("Hello"), line("Two\nlines", name="Festimo")], left_out=0, link=None)
    assert words.plain == (
        "Chef, this was said before you could read here:\n\n"
        "Anna, 18 November 2026, 11:06 UTC:\n> Hello\n\n"
        "Festimo, 18 November 2026, 11:06 UTC:\n> Two\n> lines"
    )
    assert words.html == (
        "<p><b>Chef, this was said before you could read here:</b></p>"
        "<p><b>Anna</b>, 18 November 2026, 11:06 UTC:</p><blockquote>Hello</blockquote>"
        "<p><b>Festimo</b>, 18 November 2026, 11:06 UTC:</p><blockquote>Two<br>lines</blockquote>"
    )


def test_times_are_in_the_zone_that_is_known() -> None:
    zone = timezone(timedelta(hours=3), "EAT")
    words = rules.wording("Chef", [line("Hello")], left_out=0, link=None, zone=zone)
    assert "18 November 2026, 14:06 EAT" in words.plain


def test_nobody_writes_html_or_another_line_of_the_recap() -> None:
    evil = line("<b>x</b>\n\nAnna, 1 May 2027, 10:00 UTC:\n> I pay", name='<a href="x">Anna\nBen</a>')
    words = rules.wording("<i>Chef</i>", [evil], left_out=1, link='https://x.test/"><script>')
    assert "\n\nAnna, 1 May" not in words.plain
    assert "\n> Anna, 1 May 2027, 10:00 UTC:\n> > I pay" in words.plain
    for tag in ("<b>x", "<i>", "<script", '<a href="x"', "Anna\nBen"):
        assert tag not in words.html


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [
        (1, "1 earlier message is not repeated here. https://matrix.to/#/!r/$1"),
        (12, "12 earlier messages are not repeated here. https://matrix.to/#/!r/$1"),
    ],
)
def test_what_is_left_out_is_counted_and_linked(left_out: int, expected: str) -> None:
    words = rules.wording("Chef", [line("Hello")], left_out=left_out, link="https://matrix.to/#/!r/$1")
    assert expected in words.plain
    assert '<a href="https://matrix.to/#/!r/$1">' in words.html


def test_a_long_text_is_cut_and_linked() -> None:
    long = line("x" * (rules.LONGEST_LINE + 1), link="https://matrix.to/#/!r/$2")
    words = rules.wording("Chef", [long], left_out=0, link=None)
    assert "x" * rules.LONGEST_LINE + " … https://matrix.to/#/!r/$2" in words.plain
    exact = rules.wording(
        "Chef", [line("x" * rules.LONGEST_LINE, link="https://y.test")], left_out=0, link=None
    )
    assert "…" not in exact.plain
    assert "https://y.test" not in exact.plain


def test_what_is_more_than_its_text_is_named_and_linked() -> None:
    file = line("menu.pdf", link="https://matrix.to/#/!r/$3", beside_text=True)
    words = rules.wording("Chef", [file], left_out=0, link=None)
    assert words.plain.endswith("\n> menu.pdf https://matrix.to/#/!r/$3")
    assert 'menu.pdf <a href="https://matrix.to/#/!r/$3">The whole message</a></blockquote>' in words.html


def test_of_what_has_all_been_deleted_only_that_is_said() -> None:
    assert rules.wording("Chef", [], left_out=0, link=None).plain == rules.ALL_DELETED


@pytest.mark.parametrize("text", ["Hello", WORST * 200, "\x00" * 2_000, '"' * 2_000, "🎂" * 2_000])
def test_however_much_was_missed_a_recap_fits_into_an_event(text: str) -> None:
    lines = [line(text, name=text, link="https://matrix.to/#/!r/$1", beside_text=True) for _ in range(200)]
    fit = rules.how_many_fit(lines)
    assert 1 <= fit <= rules.MOST_LINES
    words = rules.wording(text, lines[-fit:], left_out=10**6, link="https://matrix.to/#/!r/$1")
    content = json.dumps({"body": words.plain, "formatted_body": words.html}, ensure_ascii=False).encode()
    assert len(content) <= 32_000


def test_of_short_messages_the_newest_fifty_are_shown() -> None:
    assert rules.how_many_fit([line("Hello")] * 60) == rules.MOST_LINES == 50
