"""Why somebody may not do a thing in a name."""

from typing import ClassVar

from bridge.core.errors import Refusal


class NotYourself(Refusal):
    code: ClassVar[str] = "not_yourself"


class NobodyNamed(Refusal):
    code: ClassVar[str] = "invalid_input"


class PersonErased(Refusal):
    code: ClassVar[str] = "person_erased"
