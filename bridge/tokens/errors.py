"""Why a token is not believed. Told to the log, never to who showed it."""

from typing import Literal

Reason = Literal[
    "malformed",
    "algorithm",
    "type",
    "issuer_unknown",
    "key_unknown",
    "signature",
    "expired",
    "not_yet_valid",
    "lives_too_long",
    "role",
    "participant",
    "revoked",
]


class NotBelieved(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class KeysUnusable(Exception):
    """The published keys cannot be had, or are none; in words for the log, without an address."""
