"""Whether what is stored of keys opens: a damaged row is survived, another `encryption.pickle_key` is not."""

from collections.abc import Callable
from typing import Any

from vodozemac import Account, GroupSession, InboundGroupSession, PickleException, Session

from bridge.storage.database import Reader

_Open = Callable[[str, bytes], Any]
_TRIED = 20
"""Rows of each table."""
_KEPT: tuple[tuple[str, _Open], ...] = (
    ("SELECT account AS pickle FROM own_devices ORDER BY created_at DESC LIMIT $1", Account.from_pickle),
    ("SELECT pickle FROM olm_sessions ORDER BY used_at DESC LIMIT $1", Session.from_pickle),
    ("SELECT pickle FROM outbound_sessions ORDER BY created_at DESC LIMIT $1", GroupSession.from_pickle),
    (
        "SELECT pickle FROM inbound_sessions ORDER BY room_id, session_id LIMIT $1",
        InboundGroupSession.from_pickle,
    ),
)


class WrongPickleKey(Exception):
    """Nothing in the database opens with the configured pickle key: it is another one, or all of it is damaged."""


async def anything_opens(reader: Reader, pickle_key: bytes) -> bool:
    """Whether the pickle key is the one of this database: what does not open otherwise is damaged."""
    for select, from_pickle in _KEPT:
        for row in await reader.fetch(select, _TRIED):
            try:
                from_pickle(row["pickle"], pickle_key)
            except PickleException:
                continue
            return True
    return False
