"""Why a message is not pinned."""

from typing import ClassVar

from bridge.core.errors import Refusal


class NotAnOwner(Refusal):
    code: ClassVar[str] = "not_an_owner"


class TooManyPins(Refusal):
    code: ClassVar[str] = "too_many_pins"
