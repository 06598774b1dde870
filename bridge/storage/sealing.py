"""Content at rest: AES-256-GCM with keys per scope (a conversation, an inbox), each key wrapped by the master key.

A key seals for `ROTATE_AFTER`, then a new one does; the former opens what it sealed.
A sealed value is `version (1) | key id (16) | nonce (12) | ciphertext and tag`. The additional data names the row and
column, so a sealed value moved elsewhere does not open.
"""

import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bridge.core.clock import Clock
from bridge.core.ids import TenantId
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.master_keys import UNNAMED, CannotOpen, MasterKeys, derived

__all__ = ["CannotOpen", "Sealer"]

ROTATE_AFTER = timedelta(days=90)
MOST_KEYS = 2_000
"""In memory, of 3 kB each; which is more than the conversations in which something is said at the same time."""

K = TypeVar("K")
V = TypeVar("V")

_VERSION = b"\x01"
_NONCE = 12
_KEY_ID = slice(1, 17)
_BODY = 17
_SHORTEST = _BODY + _NONCE + 16  # the tag of an empty text

SELECT_NEWEST = """
SELECT key_id, number, wrapped, created_at FROM content_keys WHERE tenant_id = $1 AND scope = $2
ORDER BY number DESC LIMIT 1
"""
SELECT_BY_ID = "SELECT wrapped FROM content_keys WHERE key_id = $1"
SELECT_BY_NAME = "SELECT key_id, wrapped, wrapped_by FROM content_keys WHERE wrapped_by = $1 LIMIT 1"
SELECT_BY_NEXT = """
SELECT key_id, wrapped, wrapped_by FROM content_keys WHERE wrapped_by > $1 ORDER BY wrapped_by, key_id LIMIT 1
"""
INSERT = """
INSERT INTO content_keys (key_id, tenant_id, scope, number, wrapped, wrapped_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, scope, number) DO NOTHING
"""
NOBODYS = TenantId("")
FINGERPRINTS = "fingerprints"
_FINGERPRINT_INFO = b"festimo fingerprint 1"
_ROTATE_AFTER = ROTATE_AFTER // timedelta(milliseconds=1)


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


@dataclass(frozen=True, slots=True)
class _Key:
    key_id: bytes
    raw: AESGCM
    created_at: int


class Sealer:
    """Seals and opens content. Keys are made on first use; of those known to be stored the last used stay in memory."""

    def __init__(self, master_key: bytes, clock: Clock, *, former_master_key: bytes | None = None) -> None:
        """`master_key`: 32 bytes, from the configuration; never stored. `former_master_key`: while it is changed."""
        self.master = MasterKeys(master_key, former_master_key)
        self._fingerprint_key = derived(self.master.eldest, _FINGERPRINT_INFO)
        self._clock = clock
        self._by_id: Recent[bytes, AESGCM] = Recent(MOST_KEYS)
        self._by_scope: Recent[tuple[TenantId, str], _Key] = Recent(MOST_KEYS)
        self._secrets: Recent[tuple[TenantId, str], bytes] = Recent(MOST_KEYS)

    def fingerprint(self, data: bytes) -> bytes:
        """Tell equal data from unequal without keeping it: keyed, so that nobody can try out what it was."""
        return hmac.digest(self._fingerprint_key, data, "sha256")

    async def check(self, reader: Reader) -> None:
        """Raise `CannotOpen` where something in the database was sealed with another master key.

        To be called before anything else: what fingerprints are made with outlives a change of the master key.
        """
        row = await reader.fetch_one(SELECT_BY_NAME, UNNAMED)
        if row is not None:
            self._unwrapped(row)
        name = UNNAMED
        while (row := await reader.fetch_one(SELECT_BY_NEXT, name)) is not None:
            self._unwrapped(row)
            name = row["wrapped_by"]
        self._fingerprint_key = await self.secret_of(reader, NOBODYS, FINGERPRINTS) or self._fingerprint_key

    async def seal(
        self, tx: Transaction, tenant_id: TenantId, scope: str, data: bytes, *, place: str
    ) -> bytes:
        """`place` names where the value is kept, such as "messages.content:<message id>"."""
        key = await self._key_for(tx, tenant_id, scope)
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + key.key_id + nonce + key.raw.encrypt(nonce, data, place.encode())

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
            key = AESGCM(self.master.unwrap(key_id, wrapped))
            self._by_id.put(key_id, key)
        try:
            return key.decrypt(rest[:_NONCE], rest[_NONCE:], place.encode())
        except InvalidTag:
            raise CannotOpen(f"{place}: altered, or sealed for another place") from None

    async def secret(self, tx: Transaction, tenant_id: TenantId, scope: str) -> bytes:
        """32 bytes for another use than sealing, made on first use. They stay the same for ever."""
        known = self._secrets.get((tenant_id, scope))
        if known is not None:
            return known
        row = await tx.fetch_one(SELECT_NEWEST, tenant_id, scope)
        if row is None:
            await self._add(tx, tenant_id, scope, number=1, raw=secrets.token_bytes(32))
            row = await tx.fetch_one(SELECT_NEWEST, tenant_id, scope)
            assert row is not None
        raw = self._unwrapped(row)
        tx.after_commit(lambda: self._secrets.put((tenant_id, scope), raw))
        return raw

    async def secret_of(self, reader: Reader, tenant_id: TenantId, scope: str) -> bytes | None:
        """What `secret` has made; None before that."""
        known = self._secrets.get((tenant_id, scope))
        if known is None:
            row = await reader.fetch_one(SELECT_NEWEST, tenant_id, scope)
            known = None if row is None else self._unwrapped(row)
        return known

    async def keep_fingerprints(self, tx: Transaction) -> None:
        """Equal data shall have equal fingerprints after the master key has changed, too."""
        await self._add(tx, NOBODYS, FINGERPRINTS, number=1, raw=self._fingerprint_key)

    async def _key_for(self, tx: Transaction, tenant_id: TenantId, scope: str) -> _Key:
        now = self._clock.now()
        known = self._by_scope.get((tenant_id, scope))
        if known is not None and now - known.created_at < _ROTATE_AFTER:
            return known
        row = await tx.fetch_one(SELECT_NEWEST, tenant_id, scope)
        if row is None or now - row["created_at"] >= _ROTATE_AFTER:
            number = 1 if row is None else row["number"] + 1
            await self._add(tx, tenant_id, scope, number=number, raw=AESGCM.generate_key(256))
            row = await tx.fetch_one(SELECT_NEWEST, tenant_id, scope)
            assert row is not None
        key = _Key(bytes.fromhex(row["key_id"]), AESGCM(self._unwrapped(row)), row["created_at"])

        def remember() -> None:
            self._by_id.put(key.key_id, key.raw)
            self._by_scope.put((tenant_id, scope), key)

        tx.after_commit(remember)  # not before: a rolled-back key must never seal anything
        return key

    async def _add(
        self, tx: Transaction, tenant_id: TenantId, scope: str, *, number: int, raw: bytes
    ) -> None:
        """Nothing, where another process was faster."""
        key_id = uuid.uuid4().bytes
        wrapped, now = self.master.wrap(key_id, raw), self._clock.now()
        await tx.execute(INSERT, key_id.hex(), tenant_id, scope, number, wrapped, self.master.name, now)

    def _unwrapped(self, row: Row) -> bytes:
        return self.master.unwrap(bytes.fromhex(row["key_id"]), row["wrapped"])
