"""Where an issuer's keys come from."""

from typing import Protocol


class KeySource(Protocol):
    async def fetch(self) -> bytes:
        """The JSON Web Key Set (RFC 7517) as it stands now; raise `KeysUnusable` where it cannot be had."""
        ...
