"""Refusals: raised by rules with a stable code, translated once per edge (HTTP problem, bot notice, exit code)."""

from typing import ClassVar


class Refusal(Exception):
    """What was asked cannot be done, and nothing was changed.

    `code` is stable and machine-readable; `detail` tells a person what happened, why and what to do;
    `field` names the part of the input at fault, where there is one.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotFound(Refusal):
    code: ClassVar[str] = "not_found"
