"""What may be said, changed and taken back: pure."""

from datetime import timedelta

from bridge.messages.errors import (
    DeleteWindowClosed,
    EditWindowClosed,
    MessageIsDeleted,
    NotFailed,
    NotTheSender,
    TextBlank,
    TextTooLong,
    WrittenInClient,
)
from bridge.messages.model import Message

MAX_TEXT_LENGTH = 10_000
"""Characters, unless the configuration says otherwise."""
EDIT_WINDOW = timedelta(minutes=15)
DELETE_WINDOW = timedelta(hours=1)
BELIEVED_DELAY = timedelta(days=1)
"""How much earlier than it came in something may claim to have been done: an outage, of ours or of theirs, shall not
cost anybody an edit, and a homeserver that lies about the time shall not gain more than that."""


def check_text(text: str, *, max_length: int = MAX_TEXT_LENGTH) -> None:
    if not text.strip():
        raise TextBlank("The text is empty. Write at least one visible character.", field="text")
    if len(text) > max_length:
        raise TextTooLong(
            f"The text has {len(text)} characters; {max_length} are allowed. Shorten it or send it in parts.",
            field="text",
        )


def done_at(*, claimed: int, received: int) -> int:
    """When something from outside counts as done. All in epoch ms."""
    earliest = received - _milliseconds(BELIEVED_DELAY)
    return min(max(claimed, earliest), received)


def check_edit(message: Message, *, is_sender: bool, at: int) -> None:
    """`at`: when the edit was made, in epoch ms."""
    if not is_sender:
        raise NotTheSender("Only who wrote a message may edit it. Nothing was changed.", field="sender_id")
    if message.is_deleted:
        raise MessageIsDeleted("The message was deleted, so it cannot be edited. Write a new one.")
    if at - message.created_at > _milliseconds(EDIT_WINDOW):
        raise EditWindowClosed(
            "A message can be edited for 15 minutes, and these are over. Write a new message that corrects it."
        )


def check_from_here(message: Message) -> None:
    if message.from_client:
        raise WrittenInClient(
            "The message was written in the sender's own Matrix client, and nobody else can speak for them. It can be"
            " edited there only."
        )


def check_deletion(*, said_at: int, is_sender: bool, is_staff: bool, at: int) -> None:
    """`said_at`, `at`: when what is deleted was said and when it was deleted, in epoch ms.

    `is_staff`: of the platform, or the bridge itself.
    """
    if is_staff:
        return
    if not is_sender:
        raise NotTheSender(
            "Only who wrote a message, or the platform's staff, may delete it. Nothing was changed.",
            field="sender_id",
        )
    if at - said_at > _milliseconds(DELETE_WINDOW):
        raise DeleteWindowClosed(
            "Who wrote a message can delete it for an hour, and that is over. The platform's staff still can."
        )


def check_retry(message: Message, *, is_sender: bool) -> None:
    """`is_sender`: or the platform, who speaks for everybody."""
    if not is_sender:
        raise NotTheSender("Only who wrote a message may have it tried again. Nothing was changed.")
    if message.is_deleted:
        raise MessageIsDeleted("The message was deleted, so there is nothing to deliver. Write a new one.")
    if message.status != "failed":
        raise NotFailed(
            f"The message has not failed: it is {message.status}. Only what failed can be tried again."
        )


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
