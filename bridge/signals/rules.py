"""When an indicator ends, who counts as there, what has become of a message for whom: pure. Times in epoch ms."""

from collections.abc import Sequence
from datetime import timedelta

from bridge.messages.model import Delivery, Recipient, RecipientStatus, Status
from bridge.signals.model import Presence, Sign

TYPING_SPAN = timedelta(seconds=10)
"""How long an indicator shows that nobody takes back, where whoever types has to say it again and again."""
CLIENT_TYPING_SPAN = timedelta(seconds=120)
"""The same of who types in a client: their homeserver says when they begin and when they end, and nothing in between,
however often the client says it again. Synapse believes a client that falls silent for as long as this at most.
"""
PRESENCE_SPAN = timedelta(minutes=5)
"""How long somebody is there whom the platform said to be, unless it says so again: it may never say that they left."""
SEEN_STEP = timedelta(minutes=5)
"""When somebody was last seen is stored no finer than this."""


def typing_until(now: int, *, in_client: bool = False) -> int:
    """When what is typed now ends to show, if nobody says so before."""
    return now + _milliseconds(CLIENT_TYPING_SPAN if in_client else TYPING_SPAN)


def is_typing(until: int, *, now: int) -> bool:
    return now < until


def present_until(now: int) -> int:
    """How long the platform's word that somebody is there holds."""
    return now + _milliseconds(PRESENCE_SPAN)


def shown(sign: Sign | None, *, kept: int | None, now: int) -> Presence:
    """`kept`: when they were last seen, as it is stored."""
    seen = max((at for at in (kept, sign.seen_at if sign else None) if at is not None), default=None)
    if sign is None or (sign.until is not None and now >= sign.until):
        return Presence(state="offline", seen_at=seen)
    return Presence(state=sign.state, seen_at=seen)


def is_worth_keeping(seen: int, *, kept: int | None) -> bool:
    return kept is None or seen - kept >= _milliseconds(SEEN_STEP)


def recipient_status(status: Status, *, is_reached: bool, read_at: int | None) -> RecipientStatus:
    """What has become of a message for one person. `is_reached`: they could be brought into the conversation."""
    if status != "sent":
        return status
    if read_at is not None:
        return "read"
    return "delivered" if is_reached else "sent"


def delivery(status: Status, recipients: Sequence[Recipient]) -> Delivery:
    """Of a message as a whole: as far as it has come for everybody."""
    if status != "sent" or not recipients:
        return Delivery(status=status, read_at=None, recipients=tuple(recipients))
    read = [recipient.read_at for recipient in recipients if recipient.read_at is not None]
    overall: RecipientStatus = "sent"
    if len(read) == len(recipients):
        overall = "read"
    elif all(recipient.status in ("delivered", "read") for recipient in recipients):
        overall = "delivered"
    return Delivery(
        status=overall, read_at=max(read) if overall == "read" else None, recipients=tuple(recipients)
    )


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
