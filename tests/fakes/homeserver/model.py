"""What a homeserver has, and its rules of keys and signatures. Shares no code with the engine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from unpaddedbase64 import decode_base64

from appservice.homeserver import HomeserverRefused

Json = dict[str, Any]

OTK = "signed_curve25519"


def canonical(signed: Mapping[str, Any]) -> bytes:
    """Spec: appendices, "Canonical JSON", of what is signed."""
    bare = {key: value for key, value in signed.items() if key not in ("signatures", "unsigned")}
    return json.dumps(bare, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def is_signed(signed: Mapping[str, Any], user: str, key_id: str, public_key: str) -> bool:
    try:
        signature = decode_base64(signed["signatures"][user][key_id])
        Ed25519PublicKey.from_public_bytes(decode_base64(public_key)).verify(signature, canonical(signed))
    except (KeyError, TypeError, ValueError, InvalidSignature):
        return False
    return True


def refused(status: int, errcode: str, message: str = "") -> HomeserverRefused:
    return HomeserverRefused(status, errcode, message)


@dataclass
class Device:
    name: str = ""
    keys: Json | None = None
    one_time_keys: dict[str, Json] = field(default_factory=dict)
    fallback_key: tuple[str, Json] | None = None
    fallback_used: bool = False
    inbox: list[tuple[int, Json]] = field(default_factory=list)


@dataclass
class Backup:
    """`keys`: (room id, session id) -> KeyBackupData."""

    algorithm: str
    auth_data: Json
    keys: dict[tuple[str, str], Json] = field(default_factory=dict)


@dataclass
class User:
    devices: dict[str, Device] = field(default_factory=dict)
    account_data: dict[str, Json] = field(default_factory=dict)
    backups: list[Backup] = field(default_factory=list)
    """All versions, from "1" on; only the last one counts."""
    master: Json | None = None
    self_signing: Json | None = None
    user_signing: Json | None = None


@dataclass
class Room:
    members: dict[str, str] = field(default_factory=dict)
    state: list[Json] = field(default_factory=list)
    timeline: list[Json] = field(default_factory=list)


def is_better(new: Json, old: Json) -> bool:
    """Spec: client-server API, `PUT /room_keys/keys/{roomId}/{sessionId}`."""
    if new["is_verified"] != old["is_verified"]:
        return bool(new["is_verified"])
    if new["first_message_index"] != old["first_message_index"]:
        return bool(new["first_message_index"] < old["first_message_index"])
    return bool(new["forwarded_count"] < old["forwarded_count"])


def public_key(cross_signing_key: Mapping[str, Any]) -> str:
    return str(next(iter(cross_signing_key["keys"].values())))
