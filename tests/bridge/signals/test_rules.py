"""When an indicator ends, who counts as there, and how far a message has come: at the exact boundaries."""

import pytest

from bridge.core.ids import ParticipantId
from bridge.messages.model import Recipient, RecipientStatus, Status
from bridge.signals import rules
from bridge.signals.model import Presence, PresenceState, Sign

NOW = 1_800_000_000_000
SECOND, MINUTE = 1_000, 60_000


@pytest.mark.parametrize(
    ("after", "shows"),
    [
        (0, True),
        (10 * SECOND - 1, True),
        (10 * SECOND, False),  # ten seconds, not a millisecond more
        (10 * SECOND + 1, False),
    ],
)
def test_an_indicator_ends_by_itself_after_ten_seconds(after: int, *, shows: bool) -> None:
    assert rules.is_typing(rules.typing_until(NOW), now=NOW + after) is shows


@pytest.mark.parametrize(("after", "shows"), [(0, True), (2 * MINUTE - 1, True), (2 * MINUTE, False)])
def test_one_of_a_client_ends_when_its_homeserver_must_have_said_so(after: int, *, shows: bool) -> None:
    assert rules.is_typing(rules.typing_until(NOW, in_client=True), now=NOW + after) is shows


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (0, "online"),
        (5 * MINUTE - 1, "online"),
        (5 * MINUTE, "offline"),
    ],
)
def test_the_platforms_word_holds_for_five_minutes(after: int, state: PresenceState) -> None:
    sign = Sign(state="online", seen_at=NOW, until=rules.present_until(NOW))
    assert rules.shown(sign, kept=None, now=NOW + after) == Presence(state=state, seen_at=NOW)


def test_a_clients_word_holds_until_it_says_otherwise() -> None:
    sign = Sign(state="away", seen_at=NOW)
    assert rules.shown(sign, kept=None, now=NOW + 10**9) == Presence(state="away", seen_at=NOW)


@pytest.mark.parametrize(
    ("sign", "kept", "seen_at"),
    [
        (None, None, None),  # never seen
        (None, NOW, NOW),  # not since this process began
        (Sign(state="online", seen_at=None), NOW, NOW),
        (Sign(state="online", seen_at=NOW + 1), NOW, NOW + 1),
        (Sign(state="online", seen_at=NOW - 1), NOW, NOW),  # the later of the two
    ],
)
def test_when_somebody_was_last_seen(sign: Sign | None, kept: int | None, seen_at: int | None) -> None:
    assert rules.shown(sign, kept=kept, now=NOW).seen_at == seen_at


@pytest.mark.parametrize(
    ("seen", "kept", "worth"),
    [
        (NOW, None, True),
        (NOW + 5 * MINUTE - 1, NOW, False),
        (NOW + 5 * MINUTE, NOW, True),
        (NOW - MINUTE, NOW, False),  # late news
    ],
)
def test_last_seen_is_kept_coarsely(seen: int, kept: int | None, *, worth: bool) -> None:
    assert rules.is_worth_keeping(seen, kept=kept) is worth


@pytest.mark.parametrize(
    ("status", "is_reached", "read_at", "expected"),
    [
        ("pending", True, None, "pending"),
        ("failed", True, None, "failed"),
        ("sent", False, None, "sent"),  # the room has it, they could not be brought in
        ("sent", True, None, "delivered"),
        ("sent", True, NOW, "read"),
        ("pending", True, NOW, "pending"),  # what is not there cannot have been read
    ],
)
def test_what_has_become_of_a_message_for_one_person(
    status: Status, read_at: int | None, expected: RecipientStatus, *, is_reached: bool
) -> None:
    assert rules.recipient_status(status, is_reached=is_reached, read_at=read_at) == expected


def somebody(status: RecipientStatus, read_at: int | None = None) -> Recipient:
    return Recipient(participant_id=ParticipantId("p"), status=status, read_at=read_at)


@pytest.mark.parametrize(
    ("status", "recipients", "expected"),
    [
        ("pending", [somebody("pending")], ("pending", None)),
        ("failed", [somebody("failed")], ("failed", None)),
        ("sent", [], ("sent", None)),  # there is nobody else
        ("sent", [somebody("delivered")], ("delivered", None)),
        ("sent", [somebody("delivered"), somebody("sent")], ("sent", None)),  # not for everybody
        ("sent", [somebody("read", NOW), somebody("delivered")], ("delivered", None)),
        ("sent", [somebody("read", NOW), somebody("sent")], ("sent", None)),
        ("sent", [somebody("read", NOW)], ("read", NOW)),
        (
            "sent",
            [somebody("read", NOW + 5), somebody("read", NOW)],
            ("read", NOW + 5),
        ),  # by the last of them
    ],
)
def test_a_message_has_come_as_far_as_it_has_for_everybody(
    status: Status, recipients: list[Recipient], expected: tuple[RecipientStatus, int | None]
) -> None:
    delivery = rules.delivery(status, recipients)
    assert (delivery.status, delivery.read_at) == expected
    assert delivery.recipients == tuple(recipients)
