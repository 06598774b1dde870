"""Why nothing is looked for."""

from typing import ClassVar

from bridge.core.errors import Refusal


class NothingToLookFor(Refusal):
    code: ClassVar[str] = "invalid_input"
