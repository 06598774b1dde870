"""Other people's devices, kept as the homeserver last told them; stale until asked again."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

import structlog

from appservice.encryption.device_keys import Device, UserKeys, read_user
from appservice.encryption.known_devices import (
    SELECT_IN_ROOM,
    SELECT_KNOWN,
    InRoom,
    Known,
    device_in,
    known_in,
    places_for,
)
from appservice.encryption.other_servers import ASK_AGAIN_AFTER, OtherServers, all_of, by_server
from appservice.encryption.sharing import KnownIdentity
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from bridge.storage.database import Database, DatabaseError, Reader, Transaction

TRACK = "INSERT INTO tracked_users (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING"
MARK_STALE = "UPDATE tracked_users SET version = version + 1, stale = 1 WHERE user_id = $1"
MARK_ALL_STALE = "UPDATE tracked_users SET version = version + 1, stale = 1"
MARK_UNKNOWN_STALE = """
UPDATE tracked_users SET version = version + 1, stale = 1 WHERE user_id NOT IN (SELECT user_id FROM devices)
"""
SELECT_STALE = "SELECT user_id FROM tracked_users WHERE stale = 1 ORDER BY user_id"
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


OnFresh = Callable[[Transaction, str], Awaitable[None]]
OnUnreachable = Callable[[Transaction, Collection[str]], Awaitable[None]]
PAUSE_AFTER_FAILURE = 1.0
MOST_AT_ONCE = 500
"""Users in one request."""


def waits_for_devices(user_id: str) -> str:
    """The word under which inbox items wait for a user's devices to be known."""
    return f"devices:{user_id}"


class DeviceLists:
    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        servers: OtherServers,
        *,
        on_fresh: OnFresh | None = None,
        on_unreachable: OnUnreachable | None = None,
    ) -> None:
        """`on_fresh(tx, user)` is called in the transaction that stores a user's devices; `on_unreachable(tx, users)`
        where their servers did not answer."""
        self._database = database
        self._homeserver = homeserver
        self._servers = servers
        self._on_fresh = on_fresh
        self._on_unreachable = on_unreachable
        self._wanted = asyncio.Event()
        # Of each server: answers are applied in the order they were asked for.
        self._one_query: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        servers.on_back(lambda server: self._wanted.set())

    async def track(self, tx: Transaction, user_ids: Iterable[str]) -> None:
        for user_id in user_ids:
            await tx.execute(TRACK, user_id)

    async def mark_stale(self, tx: Transaction, user_ids: Iterable[str]) -> None:
        """The homeserver says that something changed about these users; those we do not track are no concern."""
        for user_id in sorted(user_ids):
            if await tx.execute(MARK_STALE, user_id):
                tx.after_commit(self._wanted.set)

    def heard(self, user_ids: Iterable[str]) -> None:
        """These users have done something: their servers are there."""
        for user_id in user_ids:
            self._servers.heard(user_id)

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
        asking: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wanted.clear()
                try:
                    stale = by_server(await self._stale())
                except DatabaseError as trouble:
                    await _failed(trouble)
                    continue
                asking = {server: task for server, task in asking.items() if not task.done()}
                for server in stale.keys() - asking.keys():
                    asking[server] = tasks.create_task(
                        self._keep_asking(bot, ensure_device, stale[server]), name=f"devices of {server}"
                    )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ASK_AGAIN_AFTER):
                        await self._wanted.wait()

    async def _keep_asking(
        self, bot: str, ensure_device: Callable[[str], Awaitable[str]], user_ids: list[str]
    ) -> None:
        """Ask about users of one server: whoever else is stale does not wait for it."""
        try:
            if await self.refresh(bot, await ensure_device(bot), user_ids):
                return  # the next look is soon enough
        except (HomeserverUnavailable, HomeserverRefused, DatabaseError) as trouble:
            await _failed(trouble)
        self._wanted.set()  # more of this server may have become stale meanwhile

    async def refresh_stale(self, bot: str, device: str) -> set[str]:
        """Ask about everybody who is stale. Return those whose own server could not be reached."""
        return await self.refresh(bot, device, await self._stale())

    async def _stale(self) -> list[str]:
        return [row["user_id"] for row in await self._database.fetch(SELECT_STALE)]

    async def owns(self, reader: Reader, user_id: str, *, identity_key: str, signing_key: str) -> bool:
        """Whether a device with both keys is, or was, the user's."""
        return bool(await reader.fetch_value(COUNT_WITH_KEYS, user_id, identity_key, signing_key))

    async def refresh(self, bot: str, device: str, user_ids: list[str]) -> set[str]:
        """Ask the homeserver for these users' keys. Return those whose own server could not be reached.

        Those of each server apart: our homeserver answers when the last of those that it has to ask has done so.
        """
        unreachable = await all_of(
            self._refresh_of(server, bot, device, some) for server, some in by_server(user_ids).items()
        )
        return {user_id for some in unreachable for user_id in some}

    async def _refresh_of(self, server: str, bot: str, device: str, user_ids: list[str]) -> set[str]:
        permit = self._servers.permit(server)
        if permit is None:
            return await self._unreachable(user_ids)
        unreachable: set[str] = set()
        async with self._one_query[server]:
            for start in range(0, len(user_ids), MOST_AT_ONCE):
                some = user_ids[start : start + MOST_AT_ONCE]
                unreachable |= await self._query(server, permit, bot, device, some)
        return unreachable

    async def _query(self, server: str, permit: int, bot: str, device: str, user_ids: list[str]) -> set[str]:
        asked = {user_id: await self._version(user_id) for user_id in user_ids}
        answer = await self._servers.ask(
            server, permit, lambda: self._homeserver.query_keys(bot, device, user_ids)
        )
        if answer is None:
            return await self._unreachable(user_ids)
        failures, told = answer.get("failures"), answer.get("device_keys")
        is_down = isinstance(failures, Mapping) and server in failures
        # Of whom our homeserver keeps the devices it tells all the same.
        cached = set(told) if isinstance(told, Mapping) else set()
        unreachable = set(user_ids) - cached if is_down else set()
        async with self._database.transaction() as tx:
            for user_id in sorted(set(user_ids) - unreachable):
                await self._store(tx, user_id, asked[user_id], read_user(user_id, answer))
        return await self._unreachable(unreachable)

    async def _unreachable(self, user_ids: Collection[str]) -> set[str]:
        if user_ids and self._on_unreachable is not None:
            async with self._database.transaction() as tx:
                await self._on_unreachable(tx, user_ids)
        return set(user_ids)

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
        return [device_in(row) for row in await reader.fetch(SELECT_DEVICES, user_id)]

    async def known(self, reader: Reader, user_ids: Collection[str]) -> Known:
        if not user_ids:
            return Known(frozenset(), ())
        return known_in(await reader.fetch(SELECT_KNOWN.format(places=places_for(user_ids)), *user_ids))

    async def in_room(
        self, reader: Reader, room_id: str, *, leave_out: Callable[[str], bool]
    ) -> InRoom | None:
        """None where it is not known who is in the room."""
        rows = await reader.fetch(SELECT_IN_ROOM, room_id)
        if not rows or rows[0]["members_stale"]:
            return None
        rows = [row for row in rows if row["member"] is not None and not leave_out(row["member"])]
        members = {row["member"]: row["membership"] for row in rows}
        return InRoom(members, known_in([row for row in rows if row["user_id"] is not None]))

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


def _keys(device: Device) -> tuple[str, str]:
    return device.identity_key, device.signing_key


async def _failed(trouble: Exception) -> None:
    log.warning("device_lists_failed", reason=type(trouble).__qualname__)
    await asyncio.sleep(PAUSE_AFTER_FAILURE)
