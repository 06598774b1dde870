"""The bot's secret storage: its private keys in its account data, for whoever has the recovery key.

Spec: client-server API, "Secret storage", `m.secret_storage.v1.aes-hmac-sha2`.
"""

import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import structlog
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from unpaddedbase64 import decode_base64, encode_base64

from appservice.encryption.identity import Identity
from appservice.encryption.recovery import KEY_BYTES, Recovery
from appservice.own_account import OwnAccount

ALGORITHM = "m.secret_storage.v1.aes-hmac-sha2"
DEFAULT_KEY = "m.secret_storage.default_key"
KEY = "m.secret_storage.key."

log = structlog.get_logger(__name__)


def sealed(key: bytes, name: str, secret: str) -> dict[str, str]:
    """The secret as it stands in account data under our key's id. `name`: the event type, "" for the key itself."""
    iv = bytearray(secrets.token_bytes(16))
    iv[8] &= 0x7F  # some implementations of AES-CTR count in 64 bits: spec, the same place
    return _sealed(key, name, secret.encode(), bytes(iv))


def opened(key: bytes, name: str, stored: Mapping[str, Any]) -> str | None:
    """The secret, or None where it was sealed with another key, for another name, or is malformed."""
    try:
        ciphertext, iv = decode_base64(stored["ciphertext"]), decode_base64(stored["iv"])
        aes_key, mac_key = _keys(key, name)
        if not hmac.compare_digest(hmac.digest(mac_key, ciphertext, "sha256"), decode_base64(stored["mac"])):
            return None
        return _aes(aes_key, iv, ciphertext).decode()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def description(key: bytes) -> dict[str, str]:
    """Of the key: by which a client tells whether what it was given is this key."""
    iv = secrets.token_bytes(16)
    check = _sealed(key, "", bytes(KEY_BYTES), iv)
    return {"name": "Festimo Bridge", "algorithm": ALGORITHM, "iv": check["iv"], "mac": check["mac"]}


def is_described(key: bytes, content: Mapping[str, Any]) -> bool:
    try:
        check = _sealed(key, "", bytes(KEY_BYTES), decode_base64(content["iv"]))
        return bool(content["algorithm"] == ALGORITHM and check["mac"] == content["mac"].rstrip("="))
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


class SecretStorage:
    def __init__(self, account: OwnAccount, identity: Identity, recovery: Recovery) -> None:
        self._account = account
        self._recovery = recovery
        self._secrets = {
            "m.cross_signing.master": identity.master.private,
            "m.cross_signing.self_signing": identity.self_signing.private,
            "m.cross_signing.user_signing": identity.user_signing.private,
            "m.megolm_backup.v1": str(encode_base64(recovery.backup_key)),
        }

    async def ensure(self) -> None:
        """Put into the account data what is not there, or not as it should be; the default key last."""
        key, key_id = self._recovery.storage_key, self._recovery.storage_key_id
        if not is_described(key, await self._account.data(KEY + key_id) or {}):
            await self._account.put_data(KEY + key_id, description(key))
        for name, secret in self._secrets.items():
            stored = (await self._account.data(name) or {}).get("encrypted")
            mine = stored.get(key_id) if isinstance(stored, dict) else None
            if not isinstance(mine, dict) or opened(key, name, mine) != secret:
                await self._account.put_data(name, {"encrypted": {key_id: sealed(key, name, secret)}})
        default = (await self._account.data(DEFAULT_KEY) or {}).get("key")
        if default != key_id:
            if default is not None:
                log.warning("secret_storage_replaced")
            await self._account.put_data(DEFAULT_KEY, {"key": key_id})


def _sealed(key: bytes, name: str, data: bytes, iv: bytes) -> dict[str, str]:
    aes_key, mac_key = _keys(key, name)
    ciphertext = _aes(aes_key, iv, data)
    mac = hmac.digest(mac_key, ciphertext, "sha256")
    return {
        "iv": str(encode_base64(iv)),
        "ciphertext": str(encode_base64(ciphertext)),
        "mac": str(encode_base64(mac)),
    }


def _keys(key: bytes, name: str) -> tuple[bytes, bytes]:
    derived = HKDF(algorithm=SHA256(), length=64, salt=bytes(32), info=name.encode()).derive(key)
    return derived[:32], derived[32:]


def _aes(key: bytes, iv: bytes, data: bytes) -> bytes:
    """AES-CTR: the same both ways."""
    encryptor = Cipher(AES(key), CTR(iv)).encryptor()
    return encryptor.update(data) + encryptor.finalize()
