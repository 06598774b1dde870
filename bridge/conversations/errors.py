"""Why a change of a conversation is refused."""

from typing import ClassVar

from bridge.core.errors import Refusal


class ConversationClosed(Refusal):
    code: ClassVar[str] = "conversation_closed"


class ConversationBlocked(Refusal):
    code: ClassVar[str] = "conversation_blocked"


class NotAllowed(Refusal):
    code: ClassVar[str] = "not_allowed"


class NotAGroup(Refusal):
    code: ClassVar[str] = "not_a_group"


class LastOwner(Refusal):
    """Somebody must be able to close a conversation, and to add people."""

    code: ClassVar[str] = "last_owner"


class NotSupport(Refusal):
    code: ClassVar[str] = "not_support"


class WhoseUnclear(Refusal):
    """A program must say for whom it asks."""

    code: ClassVar[str] = "participant_missing"


class AccountTaken(Refusal):
    code: ClassVar[str] = "account_taken"
