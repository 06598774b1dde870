"""Why a poll, or a vote in one, is refused."""

from typing import ClassVar

from bridge.core.errors import Refusal


class PollInvalid(Refusal):
    code: ClassVar[str] = "poll_invalid"


class NotAPoll(Refusal):
    code: ClassVar[str] = "not_a_poll"


class PollClosed(Refusal):
    code: ClassVar[str] = "poll_closed"


class PollHasVotes(Refusal):
    code: ClassVar[str] = "poll_has_votes"


class UnknownAnswer(Refusal):
    code: ClassVar[str] = "unknown_answer"


class TooManyAnswers(Refusal):
    code: ClassVar[str] = "too_many_answers"
