"""Why we end a connection: the close code and the reason that the client is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """`reason`: 123 bytes at most, as the protocol has it."""

    code: int
    reason: str


RESTARTING = Ending(1001, "The bridge is restarting. Connect again with your cursor.")
BROKEN = Ending(1011, "A fault of ours. Connect again with your cursor.")
UNAUTHORIZED = Ending(4401, "The token is not valid any more. Connect again with another, and your cursor.")
NOT_THERE = Ending(4404, "There is nothing here any more that you take part in.")
CURSOR_TOO_OLD = Ending(
    4410, "What followed your cursor is not kept any more. Connect without it, then load."
)
TOO_SLOW = Ending(4413, "You read more slowly than things happen. Connect again with your cursor.")
TOO_MANY = Ending(4429, "You went on sending too many frames. Connect again later, with your cursor.")
ALL = (RESTARTING, BROKEN, UNAUTHORIZED, NOT_THERE, CURSOR_TOO_OLD, TOO_SLOW, TOO_MANY)
