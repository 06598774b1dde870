"""An API key, as it is handed out once and as it is kept."""

import hashlib
import re
from dataclasses import dataclass

from bridge.core.ids import TenantId

SECRET_BYTES = 32
LONGEST_NAME = 100

_TOKEN = re.compile(r"festimo_(?P<key_id>[0-9a-f]{16})_(?P<secret>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """`secret_hash`: SHA-256; enough for a secret of 256 random bits, which nobody can try out.

    `scopes`: what it is good for; None: everything that a program may.
    """

    key_id: str
    tenant_id: TenantId
    name: str
    secret_hash: bytes
    created_at: int
    revoked_at: int | None
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """What the holder of a key shows. Never kept, never logged."""

    key_id: str
    secret: str

    def __str__(self) -> str:
        return f"festimo_{self.key_id}_{self.secret}"

    def __repr__(self) -> str:
        return f"Token({self.key_id})"

    @property
    def secret_hash(self) -> bytes:
        return hashlib.sha256(self.secret.encode()).digest()


def read_token(text: str) -> Token | None:
    match = _TOKEN.fullmatch(text)
    return Token(match["key_id"], match["secret"]) if match else None
