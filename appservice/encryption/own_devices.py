"""The devices of the bot and the ghosts: made, published, and replaced when the homeserver has not what we have."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from mautrix.types import EncryptionAlgorithm
from vodozemac import Account

from appservice.encryption.identity import Identity
from appservice.encryption.own_device import (
    DeviceDamaged,
    OwnDevice,
    generate_fallback_key,
    unpublished_fallback_key,
)
from appservice.encryption.pickles import WrongPickleKey, anything_opens
from appservice.encryption.publication import IdentityReplaced, Publication, Standing
from appservice.encryption.signing import with_signature
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from bridge.core.clock import Clock
from bridge.core.ids import new_id
from bridge.storage.database import Database, Reader, Row, Transaction

OLM = EncryptionAlgorithm.OLM_V1.value
MEGOLM = EncryptionAlgorithm.MEGOLM_V1.value
ONE_TIME_KEY = "signed_curve25519"
ONE_TIME_KEYS = 50
"""How many one-time keys the homeserver is to hold for who receives; replenished below half of it."""

MOST_REPLACEMENTS = 3
REPLACEMENTS_IN = timedelta(hours=1)
"""Of one user's device. More of them mend nothing, and each one has everybody share their keys anew."""

_COLUMNS = "user_id, device_id, account, identity_key, published, doubt"
SELECT = f"SELECT {_COLUMNS} FROM own_devices WHERE user_id = $1"
SELECT_TO_CHANGE = SELECT + " FOR UPDATE"
INSERT = """
INSERT INTO own_devices (user_id, device_id, account, identity_key, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id) DO NOTHING
"""
SET_ACCOUNT = "UPDATE own_devices SET account = $2 WHERE user_id = $1"
SET_PUBLISHED = "UPDATE own_devices SET published = 1 WHERE user_id = $1 AND device_id = $2"
SET_UNPUBLISHED = "UPDATE own_devices SET published = 0 WHERE user_id = $1 AND device_id = $2"
DOUBT = "UPDATE own_devices SET doubt = doubt + 1 WHERE user_id = $1"
DOUBT_ALL = "UPDATE own_devices SET doubt = doubt + 1"
# Unless a new doubt came while the homeserver was asked.
SET_BEYOND_DOUBT = "UPDATE own_devices SET doubt = 0 WHERE user_id = $1 AND device_id = $2 AND doubt = $3"
REPLACE = """
UPDATE own_devices SET device_id = $3, account = $4, identity_key = $5, published = 0, doubt = 0, created_at = $6
WHERE user_id = $1 AND device_id = $2
"""
# What the former device has begun nobody can continue.
END_MEGOLM_SESSIONS = "UPDATE outbound_sessions SET retired = 1 WHERE sender = $1"
END_OLM_SESSIONS = "DELETE FROM olm_sessions WHERE own_user_id = $1"
DROP_TO_DEVICE = "DELETE FROM to_device WHERE sender = $1"
# A key counts as its session's only if it comes from the device that made it.
FORGET_OWED = "DELETE FROM owed_keys WHERE sender = $1"
OWE_NOTHING = """
UPDATE session_shares SET ratchet = NULL
WHERE session_id IN (SELECT session_id FROM outbound_sessions WHERE sender = $1)
"""
NOTE_RETIRED = """
INSERT INTO retired_devices (user_id, device_id, reason, retired_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, device_id) DO UPDATE SET reason = excluded.reason, retired_at = excluded.retired_at
"""
SELECT_RETIRED_SINCE = """
SELECT retired_at FROM retired_devices WHERE user_id = $1 AND retired_at > $2 ORDER BY retired_at
"""

log = structlog.get_logger(__name__)


class OwnDevices:
    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        clock: Clock,
        *,
        identity_secret: bytes,
        pickle_key: bytes,
        receiver: str | None = None,
    ) -> None:
        """`receiver`: the user whose device others send keys to, so it is published with one-time keys."""
        self._receiver = receiver
        self._database = database
        self._homeserver = homeserver
        self._clock = clock
        self._identity_secret = identity_secret
        self._pickle_key = pickle_key
        self._publication = Publication(homeserver, identity_secret)
        self._mending: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._alarmed: set[str] = set()

    async def ensure(self, user_id: str) -> str:
        """Return the id of the user's device, which the homeserver has as we know it: cross-signed and published.

        Each step can be repeated: the device is in the database before the homeserver hears of it, and the identity
        and the signed keys arrive before anything is sent from the device. Raises `IdentityReplaced`, and
        `HomeserverUnavailable` where the device was replaced too often.
        """
        if device := await self.usable(self._database, user_id):
            return device.device_id
        async with self._mending[user_id]:
            try:
                device_id = await self._ensure(user_id)
            except IdentityReplaced:
                self._alarmed.add(user_id)
                log.error("own_identity_replaced", user=user_id)
                raise
            self._alarmed.discard(user_id)
            return device_id

    def trouble(self, user_id: str) -> str | None:
        """Why nothing is said in this voice, or None."""
        if user_id not in self._alarmed:
            return None
        return (
            f"the homeserver has another identity (master key) of {user_id} than `encryption.identity_secret` makes:"
            " somebody has replaced it. Nothing is sent in this voice until the former one is back"
        )

    async def doubt(self, tx: Transaction, user_id: str) -> None:
        """Have the homeserver asked, before the device is used again, whether it has it as we know it."""
        await tx.execute(DOUBT, user_id)

    async def doubt_all(self, tx: Transaction) -> None:
        await tx.execute(DOUBT_ALL)

    @asynccontextmanager
    async def doubting(self, *user_ids: str) -> AsyncIterator[None]:
        """Where the homeserver does not know a device that is used within, it may have been one of these users'.

        A device that is found damaged within is in doubt, too.
        """
        try:
            yield
        except DeviceDamaged as damage:
            async with self._database.transaction() as tx:
                await self.doubt(tx, damage.user_id)
            raise
        except HomeserverRefused as refusal:
            if refusal.errcode != "M_UNKNOWN_DEVICE":
                raise
            async with self._database.transaction() as tx:
                for user_id in user_ids:
                    await self.doubt(tx, user_id)
            raise HomeserverUnavailable("the homeserver does not know our device any more") from refusal

    async def replace(self, user_id: str, *, former: str, reason: str) -> None:
        """Make a new device in place of `former` and end its sessions; `ensure` publishes it and deletes `former`.

        Nothing happens where the device is another one already. Raise `HomeserverUnavailable` where there were too
        many: something else is wrong then.
        """
        now, account = self._clock.now(), self._new_account(user_id)
        span = REPLACEMENTS_IN // timedelta(milliseconds=1)
        async with self._database.transaction() as tx:
            if (await self.get_to_change(tx, user_id)).device_id != former:
                return
            retired = [row["retired_at"] for row in await tx.fetch(SELECT_RETIRED_SINCE, user_id, now - span)]
            if len(retired) >= MOST_REPLACEMENTS:
                log.error("own_device_replaced_too_often", user=user_id, device=former, reason=reason)
                raise HomeserverUnavailable(
                    "our device was replaced too often, see own_device_replaced in the log",
                    retry_after=retired[-MOST_REPLACEMENTS] + span - now,
                )
            await tx.execute(NOTE_RETIRED, user_id, former, reason, now)
            pickle, identity_key = account.pickle(self._pickle_key), account.curve25519_key.to_base64()
            await tx.execute(REPLACE, user_id, former, _new_device_id(), pickle, identity_key, now)
            await tx.execute(END_MEGOLM_SESSIONS, user_id)
            await tx.execute(END_OLM_SESSIONS, user_id)
            await tx.execute(DROP_TO_DEVICE, user_id)
            await tx.execute(FORGET_OWED, user_id)
            await tx.execute(OWE_NOTHING, user_id)
        log.error("own_device_replaced", user=user_id, device=former, reason=reason)

    async def is_published(self, user_id: str) -> bool:
        """Raise `WrongPickleKey` where it is not the one of this database; a damaged device is no sign of that."""
        device = await self.get(self._database, user_id)
        if device is None:
            return False
        if device.is_damaged and not await anything_opens(self._database, self._pickle_key):
            raise WrongPickleKey
        return device.published

    async def is_damaged(self, user_id: str) -> bool:
        device = await self.get(self._database, user_id)
        return device is not None and device.is_damaged

    async def usable(self, reader: Reader, user_id: str) -> OwnDevice | None:
        """The user's device; None where `ensure` has something to do first."""
        device = await self.get(reader, user_id)
        return device if device is not None and device.is_usable else None

    async def get(self, reader: Reader, user_id: str) -> OwnDevice | None:
        row = await reader.fetch_one(SELECT, user_id)
        return None if row is None else self._device(row)

    async def get_to_change(self, tx: Transaction, user_id: str) -> OwnDevice:
        """The device, locked until the transaction ends: for whoever changes its account."""
        row = await tx.fetch_one(SELECT_TO_CHANGE, user_id)
        assert row is not None, "only users with a device receive keys"
        return self._device(row)

    async def save_account(self, tx: Transaction, device: OwnDevice) -> None:
        await tx.execute(SET_ACCOUNT, device.user_id, device.account.pickle(self._pickle_key))

    def signed_device_keys(self, device: OwnDevice) -> dict[str, Any]:
        """The public device keys, signed by the device itself and by its owner's identity."""
        keys = {
            "user_id": device.user_id,
            "device_id": device.device_id,
            "algorithms": [OLM, MEGOLM],
            "keys": {
                f"curve25519:{device.device_id}": device.identity_key,
                f"ed25519:{device.device_id}": device.signing_key,
            },
        }
        identity = Identity.derive(self._identity_secret, device.user_id)
        return identity.sign_device(self.signed_by(device, keys))

    async def _ensure(self, user_id: str) -> str:
        device = await self.get(self._database, user_id) or await self._make(user_id)
        if device.is_damaged:
            device = await self._replaced(device, reason="it is damaged in the database")
        if device.published and device.doubt:
            device = await self._judged(device)
        if not device.published:
            await self._publish(device)
        return device.device_id

    async def _publish(self, device: OwnDevice) -> None:
        """With its one-time keys, if it has any: who learns of the device can send it keys from the first moment."""
        others = self.unpublished_keys(device)
        keys = {"device_keys": self.signed_device_keys(device)}
        try:
            await self._publication.publish(device.user_id, device.device_id, keys | others)
        except HomeserverRefused as refusal:
            if refusal.status != 400 or not others:
                raise
            others = {}  # whoever replenishes them will be told what is wrong with them
            await self._publication.publish(device.user_id, device.device_id, keys)
        async with self._database.transaction() as tx:
            if others:
                await self.keys_published(tx, device)
            await tx.execute(SET_PUBLISHED, device.user_id, device.device_id)
            await tx.execute(SET_BEYOND_DOUBT, device.user_id, device.device_id, device.doubt)

    async def keys_published(self, tx: Transaction, uploaded: OwnDevice) -> None:
        """The homeserver has all one-time and fallback keys that this device had; unless it was replaced meanwhile."""
        device = await self.get_to_change(tx, uploaded.user_id)
        if device.device_id == uploaded.device_id:
            device.account.mark_keys_as_published()
            await self.save_account(tx, device)

    async def _judged(self, device: OwnDevice) -> OwnDevice:
        """The device, or what has taken its place, after the homeserver was asked about it."""
        standing = await self._publication.standing(
            device.user_id, device.device_id, self.signed_device_keys(device)
        )
        if standing is Standing.GONE:
            return await self._replaced(device, reason="the homeserver has it not, or with other keys")
        async with self._database.transaction() as tx:
            if standing is Standing.INCOMPLETE:
                await tx.execute(SET_UNPUBLISHED, device.user_id, device.device_id)
            await tx.execute(SET_BEYOND_DOUBT, device.user_id, device.device_id, device.doubt)
            return await self.get_to_change(tx, device.user_id)

    async def _replaced(self, device: OwnDevice, *, reason: str) -> OwnDevice:
        await self.replace(device.user_id, former=device.device_id, reason=reason)
        present = await self.get(self._database, device.user_id)
        assert present is not None, "devices are replaced, never deleted"
        return present

    def _new_account(self, user_id: str) -> Account:
        account = Account()
        if user_id == self._receiver:
            account.generate_one_time_keys(ONE_TIME_KEYS)
            generate_fallback_key(account)
        return account

    async def _make(self, user_id: str) -> OwnDevice:
        account = self._new_account(user_id)
        async with self._database.transaction() as tx:
            await tx.execute(
                INSERT,
                user_id,
                _new_device_id(),
                account.pickle(self._pickle_key),
                account.curve25519_key.to_base64(),
                self._clock.now(),
            )
            return await self.get_to_change(tx, user_id)

    def unpublished_keys(self, device: OwnDevice) -> dict[str, Any]:
        """Of a `/keys/upload` body: the one-time and fallback keys that the homeserver may not have yet, if any."""

        def signed(keys: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
            return {
                f"{ONE_TIME_KEY}:{key_id}": self.signed_by(device, {"key": key.to_base64(), **extra})
                for key_id, key in keys.items()
            }

        body = {
            "one_time_keys": signed(device.account.one_time_keys, {}),
            "fallback_keys": signed(unpublished_fallback_key(device.account), {"fallback": True}),
        }
        return {name: keys for name, keys in body.items() if keys}

    @staticmethod
    def signed_by(device: OwnDevice, keys: dict[str, Any]) -> dict[str, Any]:
        """The keys with the device's own signature."""
        return with_signature(
            keys,
            device.user_id,
            f"ed25519:{device.device_id}",
            lambda message: device.account.sign(message).to_base64(),
        )

    def _device(self, row: Row) -> OwnDevice:
        return OwnDevice(
            user_id=row["user_id"],
            device_id=row["device_id"],
            identity_key=row["identity_key"],
            published=bool(row["published"]),
            doubt=row["doubt"],
            pickle=row["account"],
            pickle_key=self._pickle_key,
        )


def _new_device_id() -> str:
    return new_id()[:10].upper()
