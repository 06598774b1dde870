"""What may be said, changed and taken back: pure."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from bridge.conversations.absences import Seen
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.core.writing import is_blank
from bridge.messages.errors import (
    DeleteWindowClosed,
    EditWindowClosed,
    MessageIsDeleted,
    NotAParticipant,
    NotFailed,
    NotInConversation,
    NotText,
    NotTheSender,
    OtherThread,
    TextBlank,
    TextTooLong,
    ThreadInThread,
    WrittenInClient,
)
from bridge.messages.model import MEDIA, Kind, Message

MAX_TEXT_LENGTH = 10_000
"""Characters, unless the configuration says otherwise."""
EDIT_WINDOW = timedelta(minutes=15)
DELETE_WINDOW = timedelta(hours=1)
BELIEVED_DELAY = timedelta(days=1)
"""How much earlier than it came in something may claim to have been done: an outage, of ours or of theirs, shall not
cost anybody an edit, and a homeserver that lies about the time shall not gain more than that."""


def check_text(text: str, *, max_length: int = MAX_TEXT_LENGTH) -> None:
    if is_blank(text):
        raise TextBlank("The text is empty. Write at least one visible character.", field="text")
    if len(text) > max_length:
        raise TextTooLong(
            f"The text has {len(text)} characters; {max_length} are allowed. Shorten it or send it in parts.",
            field="text",
        )


def check_mentions(mentions: Sequence[ParticipantId], members: Collection[ParticipantId]) -> None:
    for one in mentions:
        if one not in members:
            raise NotAParticipant(
                f"{one} takes no part in this conversation, so nobody there can be mentioned by this id. Leave it out.",
                field="mentions",
            )


def check_target(
    message: Message | None, conversation_id: ConversationId, *, seen: Seen, field: str
) -> Message:
    """That `message` can be answered, or be the beginning of a thread, in the conversation, of which they have `seen`
    so much."""
    is_there = message is not None and message.conversation_id == conversation_id
    if message is None or not is_there or not seen.includes(message.position):
        raise NotInConversation(
            "There is no message with this id in this conversation. Replies stay where it is.",
            field=field,
        )
    if message.is_deleted:
        raise MessageIsDeleted("The message was deleted, so it cannot be answered.", field=field)
    return message


def check_forward(message: Message) -> None:
    if message.is_deleted:
        raise MessageIsDeleted("The message was deleted, so there is nothing to forward. Choose another one.")
    if message.kind in MEDIA:
        raise NotText("Files cannot be forwarded yet. Nothing was changed.")


def thread_of(*, reply: Message | None, thread: Message | None) -> MessageId | None:
    """Which thread a new message is in. `reply`: what it answers; `thread`: what is said to begin its thread."""
    if thread is None:
        return reply.thread_id if reply is not None else None
    if thread.thread_id is not None:
        raise ThreadInThread(
            "The message is in a thread itself and cannot begin another. Name the one that began its thread.",
            field="thread_id",
        )
    if reply is not None and thread.message_id not in (reply.message_id, reply.thread_id):
        raise OtherThread(
            "What is answered is not in this thread. Leave out one of the two, or answer a message of the thread.",
            field="reply_to",
        )
    return thread.message_id


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


def check_editable(kind: Kind, *, to: Kind) -> None:
    """`to`: what it would be after the edit."""
    if kind != to:
        raise NotText(
            f"This is a {kind} message, and an edit does not make another kind of it. Write a new one."
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
