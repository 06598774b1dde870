"""Signed JSON objects. Spec: appendices, "Signing JSON"."""

from collections.abc import Callable, Mapping
from typing import Any

from canonicaljson import encode_canonical_json
from vodozemac import Ed25519PublicKey, Ed25519Signature


def canonical(signed: Mapping[str, Any]) -> bytes:
    """What is signed: the object without its `signatures` and `unsigned`."""
    return encode_canonical_json(
        {key: value for key, value in signed.items() if key not in ("signatures", "unsigned")}
    )


def with_signature(
    signed: Mapping[str, Any], user_id: str, key_id: str, sign: Callable[[bytes], str]
) -> dict[str, Any]:
    """A copy with one more signature. `key_id`: "ed25519:<device id or public key>"; `sign` gives unpadded base64."""
    signatures = {user: dict(keys) for user, keys in signed.get("signatures", {}).items()}
    signatures.setdefault(user_id, {})[key_id] = sign(canonical(signed))
    return {**signed, "signatures": signatures}


def is_signed_by(
    signed: Mapping[str, Any], user_id: str, public_key: str, *, key_id: str | None = None
) -> bool:
    """Whether `public_key` (unpadded base64, ed25519) signed the object in `user_id`'s name."""
    try:
        signature = signed["signatures"][user_id][key_id or f"ed25519:{public_key}"]
        key = Ed25519PublicKey.from_base64(public_key)
        key.verify_signature(canonical(signed), Ed25519Signature.from_base64(signature))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True
