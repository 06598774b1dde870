"""What may be pinned, and what a change of the room's list means for ours: pure."""

from collections.abc import Collection, Sequence

from bridge.conversations.model import Member
from bridge.messages.errors import MessageIsDeleted
from bridge.messages.model import Message
from bridge.messages.pins.errors import NotAnOwner, TooManyPins

MOST_PINS = 50
"""Of a conversation."""


def check_may_pin(member: Member) -> None:
    """As the power levels of the room have it: who may do it here may do it there."""
    if member.standing == "member":
        raise NotAnOwner(
            "Only the owners and admins of the conversation pin messages. Ask one of them. Nothing was changed."
        )


def check_pin(message: Message, *, pinned: int) -> None:
    """`pinned`: how many of the conversation are."""
    if message.is_deleted:
        raise MessageIsDeleted("The message was deleted, so it cannot be pinned. Choose another one.")
    if pinned >= MOST_PINS:
        raise TooManyPins(f"{MOST_PINS} messages are pinned already. Unpin one of them first.")


def changes(*, before: Sequence[str], after: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which were added and which removed, each once, in the order of their list."""
    added = [one for one in dict.fromkeys(after) if one not in before]
    removed = [one for one in dict.fromkeys(before) if one not in after]
    return added, removed


def shown(*, ours: Sequence[str], known: Collection[str], there: Sequence[str]) -> list[str]:
    """The room's list as it should be.

    `ours`: what we have pinned; `known`: all in `there` that are messages of ours; `there`: the room's list as it is.
    What we do not know stays where it is: it may be something that only clients can read.
    """
    kept = [one for one in dict.fromkeys(there) if one in ours or one not in known]
    return [*kept, *(one for one in ours if one not in kept)]
