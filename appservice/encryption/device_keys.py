"""What a `/keys/query` answer says about a user: pure, and trusting nothing that is not signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mautrix.types import EncryptionAlgorithm
from vodozemac import Curve25519PublicKey, Ed25519PublicKey

from appservice.encryption.signing import is_signed_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Somebody else's device. Keys are unpadded base64. `signed`: by its owner's current identity."""

    user_id: str
    device_id: str
    identity_key: str
    signing_key: str
    olm: bool
    signed: bool


@dataclass(frozen=True, slots=True)
class UserKeys:
    """`master_key` is None where the user has no (valid) identity."""

    master_key: str | None
    devices: tuple[Device, ...]


def read_user(user_id: str, answer: Mapping[str, Any]) -> UserKeys:
    """Take one user's keys out of the answer; whatever is malformed or not self-signed is left out."""
    master_key = _cross_signing_key(answer, "master_keys", user_id, "master")
    self_signing_key = None
    if master_key is not None:
        self_signing_key = _cross_signing_key(
            answer, "self_signing_keys", user_id, "self_signing", signed_by=master_key
        )
    found = _mapping(_mapping(answer.get("device_keys")).get(user_id))
    devices = (_device(user_id, device_id, keys, self_signing_key) for device_id, keys in found.items())
    return UserKeys(master_key, tuple(device for device in devices if device is not None))


def _cross_signing_key(
    answer: Mapping[str, Any], section: str, user_id: str, usage: str, *, signed_by: str | None = None
) -> str | None:
    entry = _mapping(_mapping(answer.get(section)).get(user_id))
    usages, keys = entry.get("usage"), _mapping(entry.get("keys"))
    if (
        entry.get("user_id") != user_id
        or not isinstance(usages, list)
        or usage not in usages
        or len(keys) != 1
    ):
        return None
    key_id, value = next(iter(keys.items()))
    key = _key(value, Ed25519PublicKey)
    if key is None or key_id != f"ed25519:{key}":
        return None
    if signed_by is not None and not is_signed_by(entry, user_id, signed_by):
        return None
    return key


def _device(user_id: str, device_id: str, keys: Any, self_signing_key: str | None) -> Device | None:
    keys = _mapping(keys)
    by_algorithm = _mapping(keys.get("keys"))
    identity_key = _key(by_algorithm.get(f"curve25519:{device_id}"), Curve25519PublicKey)
    signing_key = _key(by_algorithm.get(f"ed25519:{device_id}"), Ed25519PublicKey)
    algorithms = keys.get("algorithms")
    if keys.get("user_id") != user_id or keys.get("device_id") != device_id:
        return None
    if identity_key is None or signing_key is None or not isinstance(algorithms, list):
        return None
    if "\0" in device_id:  # which PostgreSQL does not store
        return None
    if not is_signed_by(keys, user_id, signing_key, key_id=f"ed25519:{device_id}"):
        return None
    return Device(
        user_id=user_id,
        device_id=device_id,
        identity_key=identity_key,
        signing_key=signing_key,
        olm=EncryptionAlgorithm.OLM_V1.value in algorithms,
        signed=self_signing_key is not None and is_signed_by(keys, user_id, self_signing_key),
    )


def _key(value: Any, kind: type[Curve25519PublicKey] | type[Ed25519PublicKey]) -> str | None:
    try:
        return value if kind.from_base64(value).to_base64() == value else None
    except (TypeError, ValueError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
