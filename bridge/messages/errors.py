"""Why a message, an edit, a deletion or what is done to a message is refused."""

from typing import ClassVar

from bridge.core.errors import Refusal

NOT_WRITABLE = ("conversation_closed", "conversation_blocked", "not_allowed")
"""The codes with which a conversation refuses everything that somebody wants to do in it."""


class TextBlank(Refusal):
    code: ClassVar[str] = "text_blank"


class TextTooLong(Refusal):
    code: ClassVar[str] = "text_too_long"


class NotAParticipant(Refusal):
    code: ClassVar[str] = "not_a_participant"


class ConversationMissing(Refusal):
    code: ClassVar[str] = "conversation_missing"


class NotTheSender(Refusal):
    code: ClassVar[str] = "not_the_sender"


class EditWindowClosed(Refusal):
    code: ClassVar[str] = "edit_window_closed"


class DeleteWindowClosed(Refusal):
    code: ClassVar[str] = "delete_window_closed"


class NotFailed(Refusal):
    code: ClassVar[str] = "not_failed"


class MessageIsDeleted(Refusal):
    code: ClassVar[str] = "message_deleted"


class WrittenInClient(Refusal):
    code: ClassVar[str] = "written_in_client"


class NotText(Refusal):
    code: ClassVar[str] = "not_text"


class NotInConversation(Refusal):
    code: ClassVar[str] = "not_in_conversation"


class ThreadInThread(Refusal):
    code: ClassVar[str] = "thread_in_thread"


class OtherThread(Refusal):
    code: ClassVar[str] = "other_thread"
