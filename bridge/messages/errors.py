"""Why a message is refused."""

from typing import ClassVar

from bridge.core.errors import Refusal


class TextBlank(Refusal):
    code: ClassVar[str] = "text_blank"


class TextTooLong(Refusal):
    code: ClassVar[str] = "text_too_long"


class NotAParticipant(Refusal):
    code: ClassVar[str] = "not_a_participant"


class ConversationMissing(Refusal):
    code: ClassVar[str] = "conversation_missing"
