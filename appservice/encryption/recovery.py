"""The bot's recovery secrets: derived like its identity, so that they outlive the database and lie nowhere."""

import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from unpaddedbase64 import encode_base64
from vodozemac import Curve25519SecretKey

KEY_BYTES = 32
_PREFIX = b"\x8b\x01"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Recovery:
    """`storage_key` opens secret storage, `backup_key` decrypts room keys, `entry_key` tells our backup entries."""

    storage_key: bytes = field(repr=False)
    backup_key: bytes = field(repr=False)
    entry_key: bytes = field(repr=False)
    storage_key_id: str

    @classmethod
    def derive(cls, secret: bytes, user_id: str) -> "Recovery":
        """`secret`: `encryption.identity_secret`, 32 bytes. Same secret and user, same keys."""
        storage_key = _derived(secret, user_id, "secret storage")
        return cls(
            storage_key=storage_key,
            backup_key=_derived(secret, user_id, "key backup"),
            entry_key=_derived(secret, user_id, "key backup entries"),
            storage_key_id=hmac.digest(storage_key, b"festimo key id 1", "sha256")[:16].hex(),
        )

    @property
    def backup_secret(self) -> Curve25519SecretKey:
        return Curve25519SecretKey.from_bytes(self.backup_key)

    @property
    def backup_public_key(self) -> str:
        """Unpadded base64."""
        return self.backup_secret.public_key().to_base64()

    @property
    def recovery_key(self) -> str:
        """What a person types into a client: it opens secret storage, and with it everything else."""
        return recovery_key(self.storage_key)

    def entry_mac(self, entry: bytes) -> str:
        """Unpadded base64. Nobody else can make it: the homeserver could add entries of its own to a backup."""
        return str(encode_base64(hmac.digest(self.entry_key, entry, "sha256")))


def recovery_key(key: bytes) -> str:
    """Spec: appendices, "Cryptographic key representation": base58 in groups of four."""
    data = _PREFIX + key
    parity = 0
    for byte in data:
        parity ^= byte
    number = int.from_bytes(data + bytes([parity]), "big")  # it begins with no zero byte
    digits = ""
    while number:
        number, digit = divmod(number, len(_BASE58))
        digits = _BASE58[digit] + digits
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def _derived(secret: bytes, user_id: str, usage: str) -> bytes:
    info = f"festimo recovery 1\0{usage}\0{user_id}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(secret)
