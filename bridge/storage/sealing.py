"""Content at rest: AES-256-GCM with a key per scope (a conversation, an inbox), each key wrapped by the master key.

A sealed value is `version (1) | key id (16) | nonce (12) | ciphertext and tag`. The additional data names the row and
column, so a sealed value moved elsewhere does not open.
"""

import hmac
import secrets
import uuid
from typing import Generic, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.core.clock import Clock
from bridge.core.ids import TenantId
from bridge.storage.database import Reader, Transaction

MOST_KEYS = 2_000
"""In memory, of 3 kB each; which is more than the conversations in which something is said at the same time."""

K = TypeVar("K")
V = TypeVar("V")

_VERSION = b"\x01"
_NONCE = 12
_KEY_ID = slice(1, 17)
_BODY = 17
_SHORTEST = _BODY + _NONCE + 16  # the tag of an empty text

SELECT_BY_SCOPE = "SELECT key_id, wrapped FROM content_keys WHERE tenant_id = $1 AND scope = $2"
SELECT_BY_ID = "SELECT wrapped FROM content_keys WHERE key_id = $1"
SELECT_ANY = "SELECT key_id, wrapped FROM content_keys ORDER BY key_id LIMIT 1"
INSERT = """
INSERT INTO content_keys (key_id, tenant_id, scope, wrapped, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, scope) DO NOTHING
"""


class Recent(Generic[K, V]):
    """What was used last, `most` of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
        return value

    def put(self, key: K, value: V) -> None:
        self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > self._most:
            del self._values[next(iter(self._values))]


class CannotOpen(Exception):
    """A sealed value does not open: the master key is another one, or the value was altered or moved."""


class Sealer:
    """Seals and opens content. Keys are made on first use; of those known to be stored the last used stay in memory."""

    def __init__(self, master_key: bytes, clock: Clock) -> None:
        """`master_key`: 32 bytes, from the configuration; never stored."""
        self._master = AESGCM(master_key)
        info = b"festimo fingerprint 1"
        self._fingerprint_key = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master_key)
        self._clock = clock
        self._by_id: Recent[bytes, AESGCM] = Recent(MOST_KEYS)
        self._by_scope: Recent[tuple[TenantId, str], tuple[bytes, AESGCM]] = Recent(MOST_KEYS)

    def fingerprint(self, data: bytes) -> bytes:
        """Tell equal data from unequal without keeping it: keyed, so that nobody can try out what it was."""
        return hmac.digest(self._fingerprint_key, data, "sha256")

    async def check(self, reader: Reader) -> None:
        """Raise `CannotOpen` where the database was sealed with another master key."""
        row = await reader.fetch_one(SELECT_ANY)
        if row is not None:
            self._unwrap(bytes.fromhex(row["key_id"]), row["wrapped"])

    async def seal(
        self, tx: Transaction, tenant_id: TenantId, scope: str, data: bytes, *, place: str
    ) -> bytes:
        """`place` names where the value is kept, such as "messages.content:<message id>"."""
        key_id, key = await self._key_for(tx, tenant_id, scope)
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + key_id + nonce + key.encrypt(nonce, data, place.encode())

    async def open(self, reader: Reader, sealed: bytes, *, place: str) -> bytes:
        """Raise `CannotOpen` when the value was not sealed for this place with a key of ours."""
        if sealed[:1] != _VERSION or len(sealed) < _SHORTEST:
            raise CannotOpen(f"{place}: altered, or sealed by a newer version")
        key_id, rest = sealed[_KEY_ID], sealed[_BODY:]
        key = self._by_id.get(key_id)
        if key is None:
            wrapped = await reader.fetch_value(SELECT_BY_ID, uuid.UUID(bytes=key_id).hex)
            if wrapped is None:
                raise CannotOpen(f"{place}: its content key is not in the database")
            key = self._unwrap(key_id, wrapped)
            self._by_id.put(key_id, key)
        try:
            return key.decrypt(rest[:_NONCE], rest[_NONCE:], place.encode())
        except InvalidTag:
            raise CannotOpen(f"{place}: altered, or sealed for another place") from None

    async def _key_for(self, tx: Transaction, tenant_id: TenantId, scope: str) -> tuple[bytes, AESGCM]:
        known = self._by_scope.get((tenant_id, scope))
        if known is not None:
            return known
        row = await tx.fetch_one(SELECT_BY_SCOPE, tenant_id, scope)
        if row is None:
            key_id = uuid.uuid4().bytes
            raw = AESGCM.generate_key(256)
            nonce = secrets.token_bytes(_NONCE)
            wrapped = nonce + self._master.encrypt(nonce, raw, key_id)
            await tx.execute(INSERT, key_id.hex(), tenant_id, scope, wrapped, self._clock.now())
            row = await tx.fetch_one(SELECT_BY_SCOPE, tenant_id, scope)
            assert row is not None
        key_id = bytes.fromhex(row["key_id"])
        key = self._unwrap(key_id, row["wrapped"])

        def remember() -> None:
            self._by_id.put(key_id, key)
            self._by_scope.put((tenant_id, scope), (key_id, key))

        tx.after_commit(remember)  # not before: a rolled-back key must never seal anything
        return key_id, key

    def _unwrap(self, key_id: bytes, wrapped: bytes) -> AESGCM:
        try:
            return AESGCM(self._master.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], key_id))
        except InvalidTag:
            raise CannotOpen(
                "storage.master_key is not the one this database was sealed with: put the former key back"
            ) from None
