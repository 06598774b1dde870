"""The devices of the bot and the ghosts: made, cross-signed, published, and kept in one-time keys (the bot only)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mautrix.types import EncryptionAlgorithm
from vodozemac import Account

from appservice.encryption.identity import Identity
from appservice.encryption.signing import with_signature
from appservice.homeserver import Homeserver
from bridge.core.clock import Clock
from bridge.core.ids import new_id
from bridge.storage.database import Database, Reader, Row, Transaction

OLM = EncryptionAlgorithm.OLM_V1.value
MEGOLM = EncryptionAlgorithm.MEGOLM_V1.value
ONE_TIME_KEY = "signed_curve25519"
ONE_TIME_KEYS = 50
"""How many one-time keys the homeserver is to hold for the bot; replenished below half of it."""

_COLUMNS = "user_id, device_id, account, identity_key, published"
SELECT = f"SELECT {_COLUMNS} FROM own_devices WHERE user_id = $1"
SELECT_TO_CHANGE = SELECT + " FOR UPDATE"
INSERT = """
INSERT INTO own_devices (user_id, device_id, account, identity_key, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id) DO NOTHING
"""
SET_ACCOUNT = "UPDATE own_devices SET account = $2 WHERE user_id = $1"
SET_PUBLISHED = "UPDATE own_devices SET published = 1 WHERE user_id = $1"


@dataclass(frozen=True, kw_only=True)
class OwnDevice:
    """A row of the table. Its account is opened where it is used: the bot's costs more than encrypting a message."""

    user_id: str
    device_id: str
    identity_key: str
    published: bool
    pickle: str = field(repr=False)
    pickle_key: bytes = field(repr=False)

    @cached_property
    def account(self) -> Account:
        return Account.from_pickle(self.pickle, self.pickle_key)

    @property
    def signing_key(self) -> str:
        return self.account.ed25519_key.to_base64()


class OwnDevices:
    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        clock: Clock,
        *,
        identity_secret: bytes,
        pickle_key: bytes,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._clock = clock
        self._identity_secret = identity_secret
        self._pickle_key = pickle_key

    async def ensure(self, user_id: str) -> str:
        """Return the id of the user's device, which is cross-signed and published when this returns.

        Each step can be repeated: the device is in the database before the homeserver hears of it, and the identity
        and the signed keys arrive before anything is sent from the device.
        """
        device = await self.get(self._database, user_id) or await self._make(user_id)
        if not device.published:
            identity = Identity.derive(self._identity_secret, user_id)
            await self._homeserver.create_device(user_id, device.device_id, "Festimo Bridge")
            await self._homeserver.upload_cross_signing(user_id, device.device_id, identity.public_keys())
            await self._homeserver.upload_keys(
                user_id, device.device_id, {"device_keys": self.signed_device_keys(device)}
            )
            async with self._database.transaction() as tx:
                await tx.execute(SET_PUBLISHED, user_id)
        return device.device_id

    async def is_published(self, user_id: str) -> bool:
        """Raise `PickleException` where the pickle key is not the one of the stored account."""
        device = await self.get(self._database, user_id)
        return device is not None and bool(device.account) and device.published

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

    async def replenish(self, user_id: str, *, one_time_keys: int, unused_fallback: Collection[str]) -> None:
        """Keep the homeserver supplied. Keys are stored before they are published: one that nobody can open is lost.

        `one_time_keys`: how many the homeserver holds; `unused_fallback`: algorithms whose fallback key is unused.
        """
        wanted = ONE_TIME_KEYS - one_time_keys if one_time_keys < ONE_TIME_KEYS // 2 else 0
        async with self._database.transaction() as tx:
            device = await self.get_to_change(tx, user_id)
            unpublished = len(device.account.one_time_keys)
            if wanted > unpublished:
                device.account.generate_one_time_keys(wanted - unpublished)
            if ONE_TIME_KEY not in unused_fallback and not _fallback_key(device.account):
                _untyped(device.account).generate_fallback_key()
            body = self._unpublished_keys(device)
            if not body:
                return
            await self.save_account(tx, device)
        await self._homeserver.upload_keys(user_id, device.device_id, body)
        async with self._database.transaction() as tx:
            device = await self.get_to_change(tx, user_id)
            device.account.mark_keys_as_published()
            await self.save_account(tx, device)

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
        return identity.sign_device(self._signed_by(device, keys))

    async def _make(self, user_id: str) -> OwnDevice:
        account = Account()
        async with self._database.transaction() as tx:
            await tx.execute(
                INSERT,
                user_id,
                new_id()[:10].upper(),
                account.pickle(self._pickle_key),
                account.curve25519_key.to_base64(),
                self._clock.now(),
            )
            return await self.get_to_change(tx, user_id)

    def _unpublished_keys(self, device: OwnDevice) -> dict[str, Any]:
        def signed(keys: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
            return {
                f"{ONE_TIME_KEY}:{key_id}": self._signed_by(device, {"key": key.to_base64(), **extra})
                for key_id, key in keys.items()
            }

        body = {
            "one_time_keys": signed(device.account.one_time_keys, {}),
            "fallback_keys": signed(_fallback_key(device.account), {"fallback": True}),
        }
        return {name: keys for name, keys in body.items() if keys}

    @staticmethod
    def _signed_by(device: OwnDevice, keys: dict[str, Any]) -> dict[str, Any]:
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
            pickle=row["account"],
            pickle_key=self._pickle_key,
        )


def _untyped(account: Account) -> Any:
    """vodozemac 0.10 has fallback keys, but its type stubs do not say so."""
    return account


def _fallback_key(account: Account) -> dict[str, Any]:
    """Key id -> key: the fallback key that has not been published yet, if there is one."""
    keys: dict[str, Any] = _untyped(account).fallback_key
    return keys
