"""The server-side backup of all room keys: filled before the homeserver may forget a key, read when one is missing.

Only a backup that our identity has signed, with our public key, is ever used. See docs/decisions/.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from appservice.encryption.backup_entry import entry, read_entry
from appservice.encryption.identity import Identity
from appservice.encryption.inbound_sessions import InboundSessions, RoomKey
from appservice.encryption.recovery import Recovery
from appservice.encryption.secret_storage import SecretStorage
from appservice.encryption.signing import is_signed_by, with_signature
from appservice.encryption.sync import waits_for_key
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.names import Names
from appservice.own_account import BackupVersion, OwnAccount
from bridge.core.clock import Clock
from bridge.delivery.inbox import Inbox
from bridge.storage.database import Database, DatabaseError

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
BATCH = 100
"""Room keys in one request, and in one transaction."""
PATIENCE = timedelta(minutes=1)
"""How long the bot's /sync is held back for a backup that fails, since a key must not be acknowledged without it."""
PAUSE_AFTER_FAILURE = timedelta(minutes=1)
"""Between attempts, afterwards."""

SELECT_VERSION = "SELECT version FROM key_backups WHERE user_id = $1"
PUT_VERSION = """
INSERT INTO key_backups (user_id, version) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET version = excluded.version
"""

log = structlog.get_logger(__name__)


class KeyBackup:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        inbound: InboundSessions,
        inbox: Inbox,
        secret_storage: SecretStorage,
        identity: Identity,
        recovery: Recovery,
        clock: Clock,
    ) -> None:
        """`identity` and `recovery`: the bot's."""
        self._database = database
        self._account = OwnAccount(homeserver, names.bot)
        self._names = names
        self._inbound = inbound
        self._inbox = inbox
        self.secret_storage = secret_storage
        self._identity = identity
        self._recovery = recovery
        self._clock = clock
        self._version: str | None = None
        self._one_search = asyncio.Lock()  # else two would each make a backup
        self._failing_since: int | None = None
        self._not_before = 0

    # Into the backup

    async def keep_up(self) -> None:
        """Call before each `/sync`: raises `HomeserverUnavailable` while what came must not be acknowledged yet."""
        now = self._clock.now()
        if now < self._not_before:
            return
        try:
            await self.upload()
        except (HomeserverUnavailable, HomeserverRefused) as trouble:
            self._failing_since = now if self._failing_since is None else self._failing_since
            # What is refused once is refused again: nothing is won by waiting.
            waits = isinstance(trouble, HomeserverUnavailable) and now - self._failing_since < _ms(PATIENCE)
            log.error("key_backup_failed", reason=str(trouble), sync_waits=waits)
            if waits:
                raise HomeserverUnavailable(f"the key backup fails: {trouble}") from trouble
            self._not_before = now + _ms(PAUSE_AFTER_FAILURE)
        else:
            self._failing_since = None

    def trouble(self) -> str | None:
        """What keeps room keys from the backup, or None."""
        if self._failing_since is None:
            return None
        return "new room keys are not backed up on the homeserver: see key_backup_failed in the log"

    async def upload(self) -> None:
        """Return once the backup holds all room keys."""
        again = True
        while keys := await self._inbound.to_back_up(self._database, BATCH):
            version = self._version or (await self.ensure()).version
            try:
                await self._account.put_room_keys(version, self._entries(keys))
            except HomeserverRefused as refusal:
                if refusal.status not in (403, 404) or not again:
                    raise
                # Another backup has taken its place, or it was deleted.
                again, self._version = False, None
                continue
            async with self._database.transaction() as tx:
                await self._inbound.backed_up(tx, keys)

    async def ensure(self) -> BackupVersion:
        """Find our backup, or make one. One that is not ours is left alone; only the newest can be written to."""
        async with self._one_search:
            return await self._ensure()

    async def _ensure(self) -> BackupVersion:
        found = await self._account.backup()
        if found is not None and not is_ours(found, self._identity, self._recovery):
            log.error("key_backup_not_ours", version=found.version)
            found = None
        if found is None:
            auth_data = {"public_key": self._recovery.backup_public_key}
            master, user = self._identity.master, self._names.bot
            signed = with_signature(auth_data, user, master.key_id, master.sign)
            version = await self._account.make_backup(ALGORITHM, signed)
            log.info("key_backup_made", version=version)
            found = BackupVersion(version, ALGORITHM, signed, count=0)
        async with self._database.transaction() as tx:
            known = await tx.fetch_value(SELECT_VERSION, self._names.bot)
            # Of the same backup, the homeserver may have lost some: then it gets all of them once more.
            if known != found.version or found.count < await self._inbound.count_backed_up(tx):
                await self._inbound.none_backed_up(tx)
                await tx.execute(PUT_VERSION, self._names.bot, found.version)
        self._version = found.version
        return found

    def _entries(self, keys: list[RoomKey]) -> Mapping[str, Mapping[str, Any]]:
        rooms: dict[str, dict[str, Any]] = defaultdict(dict)
        for key in keys:
            ours = self._names.is_ours(key.sender)
            # Of two that claim one session the first counts: it came first.
            if key.session_id not in rooms[key.room_id]:
                rooms[key.room_id][key.session_id] = entry(key, self._recovery, ours=ours)
        return rooms

    # Out of the backup

    async def restore(self) -> int:
        """Take in what the backup has and we lack, room by room; return how many room keys that were."""
        backup = await self.ensure()
        restored = 0
        if backup.count <= await self._inbound.count_backed_up(self._database):
            return restored
        for room_id in await self._account.joined_rooms():
            told = await self._account.room_keys(backup.version, room_id)
            known = await self._inbound.sessions_of(self._database, room_id)
            lacking = [
                (room_id, session_id, data) for session_id, data in told.items() if session_id not in known
            ]
            for start in range(0, len(lacking), BATCH):
                restored += await self._take(lacking[start : start + BATCH])
        if restored:
            log.warning("room_keys_restored", count=restored)
        return restored

    async def look_for(self, room_id: str, session_id: str) -> bool:
        """Ask the backup for this one room key; return whether it is here now."""
        version = self._version or (await self.ensure()).version
        data = await self._account.room_key(version, room_id, session_id)
        return data is not None and bool(await self._take([(room_id, session_id, data)]))

    async def run(self) -> None:
        """See to secret storage, and restore what is lacking; however often it takes."""
        while True:
            try:
                await self.secret_storage.ensure()
                await self.restore()
            except (HomeserverUnavailable, HomeserverRefused, DatabaseError) as trouble:
                log.warning("key_backup_unread", reason=str(trouble))
                await asyncio.sleep(PAUSE_AFTER_FAILURE.seconds)
            else:
                return

    async def _take(self, entries: list[tuple[str, str, Any]]) -> int:
        """Keep these entries' keys, those that are ours; wake what waits for them."""
        taken = 0
        async with self._database.transaction() as tx:
            for room_id, session_id, data in sorted(entries, key=lambda one: one[1]):
                key = read_entry(room_id, session_id, data, self._recovery)
                if key is None:
                    log.warning("key_backup_entry_refused", room=room_id, session=session_id)
                    continue
                await tx.lock(waits_for_key(session_id))
                if await self._inbound.restore(tx, key):
                    taken += 1
                    await self._inbox.unpark(tx, waits_for_key(session_id))
        return taken


def is_ours(found: BackupVersion, identity: Identity, recovery: Recovery) -> bool:
    """Whether what we put into it only we can read."""
    return (
        found.algorithm == ALGORITHM
        and found.auth_data.get("public_key") == recovery.backup_public_key
        and is_signed_by(found.auth_data, identity.user_id, identity.master.public)
    )


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
