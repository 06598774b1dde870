"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    rounds: int
    rooms: int
    per_room: int
    """Messages in each of the rooms at once."""
    one_room: int
    """Messages in a single room."""
    one_by_one: int
    """Messages whose way is timed, and messages from a client."""
    opened: int
    """Conversations opened at once."""
    transactions: int


FULL = Sizes(rounds=6, rooms=50, per_room=10, one_room=60, one_by_one=40, opened=12, transactions=400)
QUICK = Sizes(rounds=1, rooms=5, per_room=5, one_room=10, one_by_one=8, opened=3, transactions=40)
AT_ONCE = 16
"""Requests in flight where an endpoint is under load."""
