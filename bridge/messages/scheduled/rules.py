"""For when a message may be scheduled, and until when that can be changed: pure."""

from datetime import timedelta

from bridge.messages.scheduled.errors import (
    AlreadySent,
    Cancelled,
    SendAtPast,
    SendAtTooFar,
    TooManyScheduled,
)
from bridge.messages.scheduled.model import Status

LONGEST_AHEAD = timedelta(days=90)
"""Unless the configuration says otherwise."""
MOST_OPEN = 1_000
"""Of one sender: what is to come, and what could not be sent."""


def check_send_at(send_at: int, *, now: int, longest_ahead: timedelta = LONGEST_AHEAD) -> None:
    """In epoch ms."""
    if send_at <= now:
        raise SendAtPast(
            "This moment is over. Name a later one, or leave `send_at` out to say it now. Nothing was changed.",
            field="send_at",
        )
    if send_at - now > longest_ahead // timedelta(milliseconds=1):
        raise SendAtTooFar(
            f"A message can be scheduled for {longest_ahead.days} days ahead at most. Nothing was changed.",
            field="send_at",
        )


def check_how_many(count: int) -> None:
    """`count`: how many are open already."""
    if count >= MOST_OPEN:
        raise TooManyScheduled(
            f"{MOST_OPEN} messages wait to be sent already, or failed. Cancel some of them first."
        )


def check_change(status: Status) -> None:
    check_cancel(status)
    if status == "cancelled":
        raise Cancelled("It was cancelled, and what it said is gone. Schedule a new one.")


def check_cancel(status: Status) -> None:
    if status == "sent":
        raise AlreadySent("It has been sent. Edit or delete the message, which has the same id.")
