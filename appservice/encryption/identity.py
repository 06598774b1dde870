"""Cross-signing identities of the bot and the ghosts: derived from one secret, so a lost database resets nobody."""

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from unpaddedbase64 import encode_base64

from appservice.encryption.signing import with_signature


class _Key:
    def __init__(self, secret: bytes, user_id: str, usage: str) -> None:
        info = f"festimo cross-signing 1\0{usage}\0{user_id}".encode()
        seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = str(encode_base64(self._private.public_key().public_bytes_raw()))
        self.key_id = f"ed25519:{self.public}"

    @property
    def private(self) -> str:
        """Unpadded base64, for secret storage."""
        return str(encode_base64(self._private.private_bytes_raw()))

    def sign(self, message: bytes) -> str:
        return str(encode_base64(self._private.sign(message)))


@dataclass(frozen=True, slots=True)
class Identity:
    """One user's master, self-signing and user-signing key. Spec: client-server API, "Cross-signing"."""

    user_id: str
    master: _Key
    self_signing: _Key
    user_signing: _Key

    @classmethod
    def derive(cls, secret: bytes, user_id: str) -> "Identity":
        """`secret`: `encryption.identity_secret`, 32 bytes. Same secret and user, same identity."""
        return cls(
            user_id,
            master=_Key(secret, user_id, "master"),
            self_signing=_Key(secret, user_id, "self_signing"),
            user_signing=_Key(secret, user_id, "user_signing"),
        )

    def public_keys(self) -> dict[str, Any]:
        """The body of `POST /keys/device_signing/upload`."""
        return {
            "master_key": self._public("master", self.master),
            "self_signing_key": self._signed_by_master("self_signing", self.self_signing),
            "user_signing_key": self._signed_by_master("user_signing", self.user_signing),
        }

    def sign_device(self, device_keys: dict[str, Any]) -> dict[str, Any]:
        """The device's keys with the signature that makes the device this user's own."""
        return with_signature(device_keys, self.user_id, self.self_signing.key_id, self.self_signing.sign)

    def _public(self, usage: str, key: _Key) -> dict[str, Any]:
        return {"user_id": self.user_id, "usage": [usage], "keys": {key.key_id: key.public}}

    def _signed_by_master(self, usage: str, key: _Key) -> dict[str, Any]:
        return with_signature(self._public(usage, key), self.user_id, self.master.key_id, self.master.sign)
