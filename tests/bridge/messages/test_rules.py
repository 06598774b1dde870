"""Who may edit and delete, and until when: to the millisecond."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import Refusal
from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.messages import rules
from bridge.messages.errors import (
    DeleteWindowClosed,
    EditWindowClosed,
    MessageIsDeleted,
    NotFailed,
    NotTheSender,
    WrittenInClient,
)
from bridge.messages.model import Message, Status
from tests.examples import examples

SAID = 1_800_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def message(*, deleted: bool = False, from_client: bool = False) -> Message:
    return Message(
        tenant_id=TenantId("festipin"),
        message_id=MessageId("m"),
        conversation_id=ConversationId("c"),
        position=1,
        sender_id=ParticipantId("anna"),
        sender_type="user",
        kind="text",
        text="" if deleted else "Vegan?",
        status="sent",
        failure_reason=None,
        origin_id="$1",
        created_at=SAID,
        from_client=from_client,
        deleted_at=SAID + 1 if deleted else None,
    )


def _assert_refused(act: Callable[[], None], refusal: type[Refusal] | None) -> None:
    if refusal is None:
        act()
        return
    with pytest.raises(Refusal) as refused:
        act()
    assert type(refused.value) is refusal


EDITS: list[tuple[bool, bool, int, type[Refusal] | None]] = [
    # At once; the very end of the fifteen minutes; a millisecond later.
    (True, False, 0, None),
    (True, False, 15 * MINUTE, None),
    (True, False, 15 * MINUTE + 1, EditWindowClosed),
    # Clocks of two homeservers: an edit may seem older than its message.
    (True, False, -1, None),
    # Nobody else, whenever.
    (False, False, 0, NotTheSender),
    (False, False, 15 * MINUTE + 1, NotTheSender),
    # What is gone has no text to change; others do not even learn that.
    (True, True, 0, MessageIsDeleted),
    (True, True, 15 * MINUTE + 1, MessageIsDeleted),
    (False, True, 0, NotTheSender),
]


@pytest.mark.parametrize(("is_sender", "deleted", "age", "refusal"), EDITS)
def test_the_sender_edits_for_fifteen_minutes(
    age: int, refusal: type[Refusal] | None, *, is_sender: bool, deleted: bool
) -> None:
    def edit() -> None:
        rules.check_edit(message(deleted=deleted), is_sender=is_sender, at=SAID + age)

    _assert_refused(edit, refusal)


DELETIONS: list[tuple[bool, bool, int, type[Refusal] | None]] = [
    (True, False, 0, None),
    (True, False, HOUR, None),
    (True, False, HOUR + 1, DeleteWindowClosed),
    (True, False, -1, None),
    (False, False, 0, NotTheSender),
    (False, False, HOUR + 1, NotTheSender),
    # Staff and the bridge itself: always, and whoever said it.
    (False, True, 0, None),
    (False, True, HOUR + 1, None),
    (True, True, 1000 * DAY, None),
]


@pytest.mark.parametrize(("is_sender", "is_staff", "age", "refusal"), DELETIONS)
def test_the_sender_deletes_for_an_hour_and_staff_always(
    age: int, refusal: type[Refusal] | None, *, is_sender: bool, is_staff: bool
) -> None:
    def delete() -> None:
        rules.check_deletion(said_at=SAID, is_sender=is_sender, is_staff=is_staff, at=SAID + age)

    _assert_refused(delete, refusal)


@pytest.mark.parametrize(
    ("claimed", "counts"),
    [
        # What it says of itself: now, a while ago, up to a day ago.
        (0, 0),
        (-1, -1),
        (-DAY, -DAY),
        # Not believed: longer ago than that, no time at all, and the future.
        (-DAY - 1, -DAY),
        (-SAID, -DAY),
        (1, 0),
        (1000 * DAY, 0),
    ],
)
def test_a_claimed_time_is_believed_for_a_day(claimed: int, counts: int) -> None:
    assert rules.done_at(claimed=SAID + claimed, received=SAID) == SAID + counts


def test_what_somebody_wrote_in_their_client_is_not_edited_for_them() -> None:
    rules.check_from_here(message())
    with pytest.raises(WrittenInClient):
        rules.check_from_here(message(from_client=True))


AGES = st.integers(-MINUTE, 2 * HOUR) | st.sampled_from(
    [end + step for end in (15 * MINUTE, HOUR) for step in (-1, 0, 1)]
)


@settings(max_examples=examples(300))
@given(age=AGES, is_sender=st.booleans(), is_staff=st.booleans(), deleted=st.booleans())
def test_valid_edits_and_deletions_succeed_within_their_time_and_no_others(
    age: int, *, is_sender: bool, is_staff: bool, deleted: bool
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 1: valid actions succeed, within their time limit"""
    at = SAID + age

    def edit() -> None:
        rules.check_edit(message(deleted=deleted), is_sender=is_sender, at=at)

    def delete() -> None:
        rules.check_deletion(said_at=SAID, is_sender=is_sender, is_staff=is_staff, at=at)

    may_edit = is_sender and not deleted and age <= 15 * MINUTE
    may_delete = is_staff or (is_sender and age <= HOUR)
    for act, is_valid in ((edit, may_edit), (delete, may_delete)):
        if is_valid:
            act()
            continue
        with pytest.raises((NotTheSender, MessageIsDeleted, EditWindowClosed, DeleteWindowClosed)):
            act()


def test_the_windows_are_those_that_people_are_told() -> None:
    assert timedelta(minutes=15) == rules.EDIT_WINDOW
    assert timedelta(hours=1) == rules.DELETE_WINDOW


@pytest.mark.parametrize(
    ("status", "deleted", "is_sender", "refusal"),
    [
        ("failed", False, True, None),
        ("failed", False, False, NotTheSender),
        ("failed", True, True, MessageIsDeleted),
        ("pending", False, True, NotFailed),  # it is on its way
        ("sent", False, True, NotFailed),
        ("sent", True, False, NotTheSender),  # who may not learn more than that
    ],
)
def test_what_failed_may_be_tried_again_by_who_said_it(
    status: Status, refusal: type[Refusal] | None, *, deleted: bool, is_sender: bool
) -> None:
    failed = replace(message(deleted=deleted), status=status)
    _assert_refused(lambda: rules.check_retry(failed, is_sender=is_sender), refusal)
