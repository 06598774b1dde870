"""Other people's devices, kept as the homeserver last told them; stale until asked again."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from appservice.encryption.device_keys import Device, UserKeys, read_user
from appservice.encryption.sharing import KnownIdentity
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from bridge.storage.database import Database, DatabaseError, Reader, Row, Transaction

TRACK = "INSERT INTO tracked_users (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING"
MARK_STALE = "UPDATE tracked_users SET version = version + 1, stale = 1 WHERE user_id = $1"
MARK_ALL_STALE = "UPDATE tracked_users SET version = version + 1, stale = 1"
MARK_UNKNOWN_STALE = """
UPDATE tracked_users SET version = version + 1, stale = 1 WHERE user_id NOT IN (SELECT user_id FROM devices)
"""
SELECT_STALE = "SELECT user_id FROM tracked_users WHERE stale = 1 ORDER BY user_id LIMIT 500"
SELECT_USER = """
SELECT version, stale, pinned_master_key, current_master_key FROM tracked_users WHERE user_id = $1
"""
SELECT_USER_TO_CHANGE = SELECT_USER + " FOR UPDATE"
SET_FRESH = """
UPDATE tracked_users SET stale = 0, pinned_master_key = $2, current_master_key = $3 WHERE user_id = $1
"""
ACCEPT_IDENTITY = """
UPDATE tracked_users SET pinned_master_key = current_master_key WHERE user_id = $1 AND current_master_key IS NOT NULL
"""
SELECT_DEVICES = """
SELECT user_id, device_id, identity_key, signing_key, olm, signed FROM devices
WHERE user_id = $1 AND removed = 0 ORDER BY device_id
"""
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
# Kept, as what it has said remains its owner's.
REMOVE_DEVICE = "UPDATE devices SET removed = 1 WHERE user_id = $1 AND device_id = $2"
FORGET_OWED = "DELETE FROM owed_keys WHERE user_id = $1 AND device_id = $2"
COUNT_WITH_KEYS = """
SELECT COUNT(*) FROM devices WHERE user_id = $1 AND identity_key = $2 AND signing_key = $3
"""
PUT_DEVICE = """
INSERT INTO devices (user_id, device_id, identity_key, signing_key, olm, signed) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (user_id, device_id, identity_key, signing_key)
    DO UPDATE SET olm = excluded.olm, signed = excluded.signed, removed = 0
"""
RETIRE_SESSIONS_SHARED_WITH = """
UPDATE outbound_sessions SET retired = 1 WHERE session_id IN
    (SELECT session_id FROM session_shares WHERE user_id = $1 AND device_id = $2 AND outcome = 'shared')
"""

log = structlog.get_logger(__name__)


async def accept_identity(database: Database, user_id: str) -> bool:
    """A person has made sure that the user's new identity is really theirs: pin it. False if there is none."""
    async with database.transaction() as tx:
        return bool(await tx.execute(ACCEPT_IDENTITY, user_id))


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


OnFresh = Callable[[Transaction, str], Awaitable[None]]
OnUnreachable = Callable[[Transaction, Collection[str]], Awaitable[None]]
PAUSE_AFTER_FAILURE = 1.0
ASK_AGAIN_AFTER = 30.0
"""Seconds, about those whose own server could not be reached."""


def waits_for_devices(user_id: str) -> str:
    """The word under which inbox items wait for a user's devices to be known."""
    return f"devices:{user_id}"


class DeviceLists:
    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        *,
        on_fresh: OnFresh | None = None,
        on_unreachable: OnUnreachable | None = None,
    ) -> None:
        """`on_fresh(tx, user)` is called in the transaction that stores a user's devices; `on_unreachable(tx, users)`
        where their servers did not answer."""
        self._database = database
        self._homeserver = homeserver
        self._on_fresh = on_fresh
        self._on_unreachable = on_unreachable
        self._wanted = asyncio.Event()
        self._one_query = asyncio.Lock()  # answers are applied in the order they were asked for

    async def track(self, tx: Transaction, user_ids: Iterable[str]) -> None:
        for user_id in user_ids:
            await tx.execute(TRACK, user_id)

    async def mark_stale(self, tx: Transaction, user_ids: Iterable[str]) -> None:
        """The homeserver says that something changed about these users; those we do not track are no concern."""
        for user_id in sorted(user_ids):
            if await tx.execute(MARK_STALE, user_id):
                tx.after_commit(self._wanted.set)

    async def mark_all_stale(self, tx: Transaction) -> None:
        await tx.execute(MARK_ALL_STALE)
        tx.after_commit(self._wanted.set)

    async def mark_unknown_stale(self, tx: Transaction) -> None:
        """Who has no device here may have lost them with rows of the database, and would get no keys."""
        await tx.execute(MARK_UNKNOWN_STALE)
        tx.after_commit(self._wanted.set)

    async def arrived(self, tx: Transaction, user_ids: Iterable[str]) -> None:
        """These users have come into a room of ours: whatever was known of them may be old."""
        for user_id in sorted(user_ids):
            await self.want(tx, user_id)

    async def want(self, tx: Transaction, user_id: str) -> None:
        """Have the user's devices asked for, whoever they are."""
        await tx.execute(TRACK, user_id)
        await self.mark_stale(tx, [user_id])

    async def run(self, bot: str, ensure_device: Callable[[str], Awaitable[str]]) -> None:
        """Ask for the devices of whoever is stale, until cancelled. `ensure_device(bot)`: the device that asks."""
        while True:
            try:
                unreachable = await self.refresh_stale(bot, await ensure_device(bot))
            except (HomeserverUnavailable, HomeserverRefused, DatabaseError) as trouble:
                log.warning("device_lists_failed", reason=type(trouble).__qualname__)
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), ASK_AGAIN_AFTER if unreachable else None)
            self._wanted.clear()

    async def refresh_stale(self, bot: str, device: str) -> set[str]:
        """Ask about everybody who is stale. Return those whose own server could not be reached."""
        rows = await self._database.fetch(SELECT_STALE)
        return await self.refresh(bot, device, [row["user_id"] for row in rows]) if rows else set()

    async def owns(self, reader: Reader, user_id: str, *, identity_key: str, signing_key: str) -> bool:
        """Whether a device with both keys is, or was, the user's."""
        return bool(await reader.fetch_value(COUNT_WITH_KEYS, user_id, identity_key, signing_key))

    async def refresh(self, bot: str, device: str, user_ids: list[str]) -> set[str]:
        """Ask the homeserver for these users' keys. Return those whose own server could not be reached."""
        async with self._one_query:
            asked = {user_id: await self._version(user_id) for user_id in user_ids}
            answer = await self._homeserver.query_keys(bot, device, user_ids)
            failures = answer.get("failures")
            down = set(failures) if isinstance(failures, dict) else set()
            unreachable = {user_id for user_id in user_ids if user_id.partition(":")[2] in down}
            async with self._database.transaction() as tx:
                for user_id in sorted(set(user_ids) - unreachable):
                    await self._store(tx, user_id, asked[user_id], read_user(user_id, answer))
                if unreachable and self._on_unreachable is not None:
                    await self._on_unreachable(tx, unreachable)
        return unreachable

    async def identity(self, reader: Reader, user_id: str) -> KnownIdentity:
        row = await reader.fetch_one(SELECT_USER, user_id)
        if row is None:
            return KnownIdentity(None, None)
        return KnownIdentity(row["pinned_master_key"], row["current_master_key"])

    async def is_fresh(self, reader: Reader, user_id: str) -> bool:
        return user_id in (await self.known(reader, (user_id,))).fresh

    async def device_with(self, reader: Reader, user_id: str, identity_key: str) -> Device | None:
        """The user's device with this key, if it is (still) there."""
        found = await self.devices(reader, user_id)
        return next((device for device in found if device.identity_key == identity_key), None)

    async def devices(self, reader: Reader, user_id: str) -> list[Device]:
        return [_device(row) for row in await reader.fetch(SELECT_DEVICES, user_id)]

    async def known(self, reader: Reader, user_ids: Collection[str]) -> Known:
        if not user_ids:
            return Known(frozenset(), ())
        return _known(await reader.fetch(SELECT_KNOWN.format(places=_places(user_ids)), *user_ids))

    async def in_room(
        self, reader: Reader, room_id: str, *, leave_out: Callable[[str], bool]
    ) -> InRoom | None:
        """None where it is not known who is in the room."""
        rows = await reader.fetch(SELECT_IN_ROOM, room_id)
        if not rows or rows[0]["members_stale"]:
            return None
        rows = [row for row in rows if row["member"] is not None and not leave_out(row["member"])]
        members = {row["member"]: row["membership"] for row in rows}
        return InRoom(members, _known([row for row in rows if row["user_id"] is not None]))

    async def _version(self, user_id: str) -> int | None:
        row = await self._database.fetch_one(SELECT_USER, user_id)
        return None if row is None else row["version"]

    async def _store(self, tx: Transaction, user_id: str, asked: int | None, keys: UserKeys) -> None:
        row = await tx.fetch_one(SELECT_USER_TO_CHANGE, user_id)
        if row is None or row["version"] != asked:
            return  # something changed after we asked: this answer may be older than that; it is asked again
        pinned = row["pinned_master_key"] or keys.master_key
        if keys.master_key != pinned:
            log.warning("identity_changed", user=user_id)
        known = {device.device_id: device for device in await self.devices(tx, user_id)}
        told = {device.device_id: device for device in keys.devices}
        for device_id, old in known.items():
            new = told.get(device_id)
            if new is None or _keys(new) != _keys(old):
                await tx.execute(RETIRE_SESSIONS_SHARED_WITH, user_id, device_id)
            if new is None:
                await tx.execute(REMOVE_DEVICE, user_id, device_id)
                await tx.execute(FORGET_OWED, user_id, device_id)
        for device_id, new in told.items():
            if device_id in known and _keys(new) != _keys(known[device_id]):
                log.warning("device_keys_changed", user=user_id, device=device_id)
                continue  # a device never changes its keys; whoever does this is not that device
            await tx.execute(
                PUT_DEVICE,
                user_id,
                device_id,
                new.identity_key,
                new.signing_key,
                int(new.olm),
                int(new.signed),
            )
        await tx.execute(SET_FRESH, user_id, pinned, keys.master_key)
        if self._on_fresh is not None:
            await self._on_fresh(tx, user_id)


def _known(rows: Collection[Row]) -> Known:
    return Known(
        fresh=frozenset(row["user_id"] for row in rows if not row["stale"]),
        devices=tuple(
            (KnownIdentity(row["pinned_master_key"], row["current_master_key"]), _device(row))
            for row in rows
            if row["device_id"] is not None
        ),
    )


def _places(values: Collection[str]) -> str:
    return ", ".join(f"${number}" for number in range(1, len(values) + 1))


def _keys(device: Device) -> tuple[str, str]:
    return device.identity_key, device.signing_key


def _device(row: Any) -> Device:
    return Device(
        user_id=row["user_id"],
        device_id=row["device_id"],
        identity_key=row["identity_key"],
        signing_key=row["signing_key"],
        olm=bool(row["olm"]),
        signed=bool(row["signed"]),
    )
