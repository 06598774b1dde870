"""Why a reaction is refused."""

from typing import ClassVar

from bridge.core.errors import Refusal


class NotAReaction(Refusal):
    code: ClassVar[str] = "not_a_reaction"


class TooManyReactions(Refusal):
    code: ClassVar[str] = "too_many_reactions"
