"""A user's cross-signing identity for the embedded client; no I/O. Spec: client-server API, "Cross-signing".

The three keys are derived from user id and password, so that every device a user signs in on can sign itself
without secret storage. Good enough for the demo and the tests; real clients draw random keys.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Signed = dict[str, Any]


class Identity:
    """Master, self-signing and user-signing key of one user."""

    def __init__(self, user_id: str, password: str) -> None:
        self._user_id = user_id
        self._master = _key(user_id, password, "master")
        self._self_signing = _key(user_id, password, "self_signing")
        self._user_signing = _key(user_id, password, "user_signing")

    def public_keys(self) -> dict[str, Signed]:
        """The body of POST /keys/device_signing/upload."""
        return {
            "master_key": self._public("master", self._master),
            "self_signing_key": self._sign(self._public("self_signing", self._self_signing), self._master),
            "user_signing_key": self._sign(self._public("user_signing", self._user_signing), self._master),
        }

    def sign_device(self, device_keys: Mapping[str, Any]) -> dict[str, dict[str, Signed]]:
        """The body of POST /keys/signatures/upload for an own device, its keys as /keys/query shows them."""
        bare = {key: value for key, value in device_keys.items() if key not in ("signatures", "unsigned")}
        return {self._user_id: {bare["device_id"]: self._sign(bare, self._self_signing)}}

    def _public(self, usage: str, key: Ed25519PrivateKey) -> Signed:
        public = _unpadded(key.public_key().public_bytes_raw())
        return {"user_id": self._user_id, "usage": [usage], "keys": {f"ed25519:{public}": public}}

    def _sign(self, value: Mapping[str, Any], key: Ed25519PrivateKey) -> Signed:
        canonical = json.dumps(dict(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        key_id = f"ed25519:{_unpadded(key.public_key().public_bytes_raw())}"
        return {**value, "signatures": {self._user_id: {key_id: _unpadded(key.sign(canonical.encode()))}}}


def _key(user_id: str, password: str, usage: str) -> Ed25519PrivateKey:
    derive = HKDF(SHA256(), length=32, salt=user_id.encode(), info=f"embedded client: {usage}".encode())
    return Ed25519PrivateKey.from_private_bytes(derive.derive(password.encode()))


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
