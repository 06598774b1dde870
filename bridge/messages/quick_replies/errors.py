"""Why a quick reply is not kept, or cannot be said."""

from typing import ClassVar

from bridge.core.errors import Refusal


class UnknownVariable(Refusal):
    code: ClassVar[str] = "unknown_variable"


class TooManyQuickReplies(Refusal):
    code: ClassVar[str] = "too_many_quick_replies"


class NothingToFillIn(Refusal):
    code: ClassVar[str] = "nothing_to_fill_in"
