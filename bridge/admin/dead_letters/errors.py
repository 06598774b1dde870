"""Why a dead letter is not replayed."""

from typing import ClassVar

from bridge.core.errors import Refusal


class AlreadyDone(Refusal):
    code: ClassVar[str] = "already_done"


class CannotBeReplayed(Refusal):
    code: ClassVar[str] = "cannot_be_replayed"
