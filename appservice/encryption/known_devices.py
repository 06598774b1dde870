"""What the database knows of other people's devices, read for all of a room or of several users at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from appservice.encryption.device_keys import Device
from appservice.encryption.sharing import KnownIdentity
from bridge.storage.database import Row

SELECT_KNOWN = """
SELECT u.user_id, u.stale, u.pinned_master_key, u.current_master_key,
    d.device_id, d.identity_key, d.signing_key, d.olm, d.signed
FROM tracked_users u LEFT JOIN devices d ON d.user_id = u.user_id AND d.removed = 0
WHERE u.user_id IN ({places}) ORDER BY u.user_id, d.device_id
"""
SELECT_IN_ROOM = """
SELECT r.members_stale, m.user_id AS member, m.membership,
    u.user_id, u.stale, u.pinned_master_key, u.current_master_key,
    d.device_id, d.identity_key, d.signing_key, d.olm, d.signed
FROM rooms r
    LEFT JOIN room_members m ON m.room_id = r.room_id
    LEFT JOIN tracked_users u ON u.user_id = m.user_id
    LEFT JOIN devices d ON d.user_id = u.user_id AND d.removed = 0
WHERE r.room_id = $1 ORDER BY m.user_id, d.device_id
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some users' devices.

    `fresh`: those users of whom it is what their homeserver would say now; `devices`: each with its owner's identity.
    """

    fresh: frozenset[str]
    devices: tuple[tuple[KnownIdentity, Device], ...]


@dataclass(frozen=True, slots=True)
class InRoom:
    """`members`: MXID -> "join" or "invite"; `known`: of their devices."""

    members: Mapping[str, str]
    known: Known


def known_in(rows: Collection[Row]) -> Known:
    return Known(
        fresh=frozenset(row["user_id"] for row in rows if not row["stale"]),
        devices=tuple(
            (KnownIdentity(row["pinned_master_key"], row["current_master_key"]), device_in(row))
            for row in rows
            if row["device_id"] is not None
        ),
    )


def places_for(values: Collection[str]) -> str:
    return ", ".join(f"${number}" for number in range(1, len(values) + 1))


def device_in(row: Any) -> Device:
    return Device(
        user_id=row["user_id"],
        device_id=row["device_id"],
        identity_key=row["identity_key"],
        signing_key=row["signing_key"],
        olm=bool(row["olm"]),
        signed=bool(row["signed"]),
    )
