"""The key from the configuration that wraps all keys in the database; and, while it is changed, the former one."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

UNNAMED = ""
"""The name of whatever key wrapped something before master keys had names."""

_NONCE = 12
_NAME = b"festimo name of a master key 1"


class CannotOpen(Exception):
    """A sealed value does not open: the master key is another one, or the value was altered or moved."""


class MasterKeys:
    def __init__(self, current: bytes, former: bytes | None = None) -> None:
        """Each 32 bytes. What is wrapped from now on is wrapped by `current`; what `former` wrapped opens still."""
        self._keys = [AESGCM(key) for key in (current, former) if key is not None]
        self.name = derived(current, _NAME)[:8].hex()
        """Tells that something was wrapped by `current`, and nothing of that key."""
        self.eldest = current if former is None else former
        self.is_changing = former is not None

    def wrap(self, key_id: bytes, raw: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._keys[0].encrypt(nonce, raw, key_id)

    def unwrap(self, key_id: bytes, wrapped: bytes) -> bytes:
        """Raise `CannotOpen` where neither key fits."""
        for key in self._keys:
            try:
                return key.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], key_id)
            except InvalidTag:
                continue
        raise CannotOpen(
            "storage.master_key is not the one this database was sealed with: put the former key back, or, if it is"
            " being changed, name it as storage.former_master_key"
        )


def derived(key: bytes, info: bytes) -> bytes:
    """32 bytes that tell nothing of the key they come from."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)
