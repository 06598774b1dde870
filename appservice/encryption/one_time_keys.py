"""One-time and fallback keys of the bot's device: the homeserver is kept supplied, and every key of theirs opens."""

from collections.abc import Collection

from appservice.encryption.own_device import generate_fallback_key
from appservice.encryption.own_devices import ONE_TIME_KEY, ONE_TIME_KEYS, OwnDevices
from appservice.homeserver import Homeserver, HomeserverRefused
from bridge.storage.database import Database

FEW = 10
"""One-time keys at the homeserver. The bridge makes more below 25."""


def supply(one_time_keys: int, unused_fallback: Collection[str]) -> str:
    """In words."""
    return f"{one_time_keys} one-time keys, {'a' if ONE_TIME_KEY in unused_fallback else 'no unused'} fallback key"


def is_scarce(one_time_keys: int, unused_fallback: Collection[str]) -> bool:
    return one_time_keys < FEW or ONE_TIME_KEY not in unused_fallback


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
            waiting = self._own_devices.unpublished_keys(device)
            if ONE_TIME_KEY not in unused_fallback and "fallback_keys" not in waiting:
                generate_fallback_key(device.account)
            body = self._own_devices.unpublished_keys(device)
            if not body:
                return
            await self._own_devices.save_account(tx, device)
        try:
            await self._homeserver.upload_keys(user_id, device.device_id, body)
        except HomeserverRefused as refusal:
            if refusal.status != 400:
                raise
            # It has other keys under these names: ours are those of an older copy of this database, or its own are.
            reason = f"its keys were refused ({refusal.errcode})"
            await self._own_devices.replace(user_id, former=device.device_id, reason=reason)
            return
        async with self._database.transaction() as tx:
            await self._own_devices.keys_published(tx, device)
