"""A room key as an entry of the server-side backup, and back. Pure.

Spec: client-server API, "Backup algorithm: m.megolm_backup.v1.curve25519-aes-sha2". Whoever knows the public key can
add entries, the homeserver first of all; so ours carry a MAC, inside the ciphertext, and no other is taken.
"""

import hmac
import json
from typing import Any

from canonicaljson import encode_canonical_json
from unpaddedbase64 import encode_base64
from vodozemac import Curve25519PublicKey, Message, PkDecryption, PkEncryption

from appservice.encryption.inbound_sessions import RoomKey
from appservice.encryption.own_devices import MEGOLM
from appservice.encryption.recovery import Recovery

SENDER = "io.festimo.sender"
MAC = "io.festimo.mac"
"""Fields of ours in the plaintext, which other clients leave alone."""


def entry(key: RoomKey, recovery: Recovery, *, ours: bool) -> dict[str, Any]:
    """The KeyBackupData. `ours`: the session is the bot's or a ghost's."""
    plaintext = {
        "algorithm": MEGOLM,
        "forwarding_curve25519_key_chain": [],
        "sender_key": key.sender_key,
        "sender_claimed_keys": {"ed25519": key.signing_key},
        "session_key": key.session_key,
        SENDER: key.sender,
        MAC: recovery.entry_mac(_told(key)),
    }
    to_us = PkEncryption.from_key(Curve25519PublicKey.from_base64(recovery.backup_public_key))
    message = to_us.encrypt(json.dumps(plaintext).encode())
    return {
        "first_message_index": key.first_index,
        "forwarded_count": 0,
        "is_verified": ours,
        "session_data": {
            "ciphertext": encode_base64(message.ciphertext),
            "mac": encode_base64(message.mac),
            "ephemeral": encode_base64(message.ephemeral_key),
        },
    }


def read_entry(room_id: str, session_id: str, data: Any, recovery: Recovery) -> RoomKey | None:
    """What was written with `entry` for this room and session; None for anything else."""
    try:
        sealed = data["session_data"]
        message = Message.from_base64(sealed["ciphertext"], sealed["mac"], sealed["ephemeral"])
        plaintext = json.loads(PkDecryption.from_key(recovery.backup_secret).decrypt(message))
        key = RoomKey(
            room_id=room_id,
            session_id=session_id,
            sender=plaintext[SENDER],
            sender_key=plaintext["sender_key"],
            signing_key=plaintext["sender_claimed_keys"]["ed25519"],
            session_key=plaintext["session_key"],
            first_index=0,  # the session itself says it
        )
        known = hmac.compare_digest(plaintext[MAC], recovery.entry_mac(_told(key)))
    except (KeyError, TypeError, ValueError, IndexError, RecursionError):
        return None
    return key if known else None


def _told(key: RoomKey) -> bytes:
    """What the MAC vouches for."""
    return bytes(
        encode_canonical_json(
            {
                "room_id": key.room_id,
                "session_id": key.session_id,
                "sender": key.sender,
                "sender_key": key.sender_key,
                "signing_key": key.signing_key,
                "session_key": key.session_key,
            }
        )
    )
