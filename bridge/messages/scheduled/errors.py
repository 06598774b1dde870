"""Why something is not scheduled, changed or cancelled."""

from typing import ClassVar

from bridge.core.errors import Refusal


class SendAtPast(Refusal):
    code: ClassVar[str] = "send_at_past"


class SendAtTooFar(Refusal):
    code: ClassVar[str] = "send_at_too_far"


class TooManyScheduled(Refusal):
    code: ClassVar[str] = "too_many_scheduled"


class AlreadySent(Refusal):
    code: ClassVar[str] = "already_sent"


class Cancelled(Refusal):
    code: ClassVar[str] = "cancelled"
