"""One-time and fallback keys of the bot's device: the homeserver is kept supplied, and every key of theirs opens."""

from collections.abc import Collection
from typing import Any

from vodozemac import Account

from appservice.encryption.own_devices import ONE_TIME_KEY, OwnDevice, OwnDevices
from appservice.homeserver import Homeserver, HomeserverRefused
from bridge.storage.database import Database

ONE_TIME_KEYS = 50
"""How many one-time keys the homeserver is to hold for the bot; replenished below half of it."""


class OneTimeKeys:
    def __init__(self, database: Database, homeserver: Homeserver, own_devices: OwnDevices) -> None:
        self._database = database
        self._homeserver = homeserver
        self._own_devices = own_devices

    async def replenish(self, user_id: str, *, one_time_keys: int, unused_fallback: Collection[str]) -> None:
        """Keep the homeserver supplied. Keys are stored before they are published: one that nobody can open is lost.

        `one_time_keys`: how many the homeserver holds; `unused_fallback`: algorithms whose fallback key is unused.
        """
        wanted = ONE_TIME_KEYS - one_time_keys if one_time_keys < ONE_TIME_KEYS // 2 else 0
        async with self._database.transaction() as tx:
            device = await self._own_devices.get_to_change(tx, user_id)
            unpublished = len(device.account.one_time_keys)
            if wanted > unpublished:
                device.account.generate_one_time_keys(wanted - unpublished)
            if ONE_TIME_KEY not in unused_fallback and not _fallback_key(device.account):
                _untyped(device.account).generate_fallback_key()
            body = self._unpublished_keys(device)
            if not body:
                return
            await self._own_devices.save_account(tx, device)
        uploaded = device.device_id
        try:
            await self._homeserver.upload_keys(user_id, uploaded, body)
        except HomeserverRefused as refusal:
            if refusal.status != 400:
                raise
            # It has other keys under these names: ours are those of an older copy of this database, or its own are.
            reason = f"its keys were refused ({refusal.errcode})"
            await self._own_devices.replace(user_id, former=uploaded, reason=reason)
            return
        async with self._database.transaction() as tx:
            device = await self._own_devices.get_to_change(tx, user_id)
            if device.device_id != uploaded:
                return
            device.account.mark_keys_as_published()
            await self._own_devices.save_account(tx, device)

    def _unpublished_keys(self, device: OwnDevice) -> dict[str, Any]:
        def signed(keys: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
            return {
                f"{ONE_TIME_KEY}:{key_id}": self._own_devices.signed_by(
                    device, {"key": key.to_base64(), **extra}
                )
                for key_id, key in keys.items()
            }

        body = {
            "one_time_keys": signed(device.account.one_time_keys, {}),
            "fallback_keys": signed(_fallback_key(device.account), {"fallback": True}),
        }
        return {name: keys for name, keys in body.items() if keys}


def _untyped(account: Account) -> Any:
    """vodozemac 0.10 has fallback keys, but its type stubs do not say so."""
    return account


def _fallback_key(account: Account) -> dict[str, Any]:
    """Key id -> key: the fallback key that has not been published yet, if there is one."""
    keys: dict[str, Any] = _untyped(account).fallback_key
    return keys
