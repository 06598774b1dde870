"""Which of a conversation's people acts with an account."""

from collections.abc import Iterable

from bridge.conversations.model import Member


def with_account(people: Iterable[Member], user_id: str) -> Member | None:
    """None: nobody's, as far as we know. They may have left."""
    return next((one for one in people if one.participant.mxid == user_id), None)
