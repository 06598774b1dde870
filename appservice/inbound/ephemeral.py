"""Typing, receipts and presence out of what homeservers say: plain reading, which knows no room and no person.

Anybody's client may have written it, and it comes once: what is not as the specification says is left out, untold.
Spec: client-server API, "Typing notifications", "Receipts", "Presence".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from bridge.signals.model import PresenceState

UNTOLD = ""
"""Of which thread a receipt is, where nobody tells: Synapse leaves that out in transactions, not in `/sync`."""
MOST_TYPING = 100
"""People of one room; whoever else types there does not show."""
LONGEST_ID = 255
STATES: Mapping[object, PresenceState] = {"online": "online", "unavailable": "away", "offline": "offline"}


@dataclass(frozen=True, slots=True)
class TypingNow:
    """All who type in the room now."""

    room_id: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """`at`: in epoch ms, as the reader's homeserver says. `thread`: what began the thread that was read, or `main` for
    what stands in none; None: all was read; `UNTOLD`: one of the three. Spec: "Threaded read receipts".
    """

    room_id: str
    user: str
    event_id: str
    at: int
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class PresenceTold:
    """`idle`: how many ms ago they last did something, where that is told."""

    user: str
    state: PresenceState
    idle: int | None


def typing_in(event: Mapping[str, Any]) -> TypingNow | None:
    users = _object(event.get("content")).get("user_ids")
    if not _is_id(event.get("room_id")) or not isinstance(users, list):
        return None
    return TypingNow(event["room_id"], tuple(user for user in users[:MOST_TYPING] if _is_id(user)))


def receipts_in(event: Mapping[str, Any], *, threads_told: bool) -> Iterator[Receipt]:
    """`threads_told`: whoever says nothing of a thread means them all."""
    if not _is_id(event.get("room_id")):
        return
    for event_id, kinds in _object(event.get("content")).items():
        for user, told in _object(_object(kinds).get("m.read")).items():
            at = _object(told).get("ts")
            thread = _object(told).get("thread_id")
            if not _is_id(event_id) or not _is_id(user) or not _is_time(at):
                continue
            if thread is None and not threads_told:
                thread = UNTOLD
            if thread in (None, UNTOLD) or _is_id(thread):
                yield Receipt(event["room_id"], user, event_id, at, thread)


def presence_in(event: Mapping[str, Any]) -> PresenceTold | None:
    content = _object(event.get("content"))
    told = content.get("presence")
    state = STATES.get(told) if isinstance(told, str) else None
    if state is None or not _is_id(event.get("sender")):
        return None
    idle = content.get("last_active_ago")
    if content.get("currently_active") is True:
        idle = 0
    return PresenceTold(event["sender"], state, idle if _is_time(idle) else None)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_id(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()


def _is_time(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
