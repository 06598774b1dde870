"""What the homeserver is told, and has, of one of our users' identity and device."""

import enum
from typing import Any

import structlog

from appservice.encryption.device_keys import read_user
from appservice.encryption.identity import Identity
from appservice.homeserver import Homeserver, HomeserverUnavailable
from appservice.own_account import OwnAccount

DEVICE_NAME = "Festimo Bridge"

log = structlog.get_logger(__name__)


class IdentityReplaced(HomeserverUnavailable):
    """The user has another master key on the homeserver than ours. A person must decide; until then it waits."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"{user_id} has another identity on the homeserver than ours", retry_after=60_000)


class Standing(enum.Enum):
    GOOD = "good"
    INCOMPLETE = "incomplete"
    """The device is there, its identity or its signature is not."""
    GONE = "gone"
    """The device is not there, or has other keys than ours."""


class Publication:
    def __init__(self, homeserver: Homeserver, identity_secret: bytes) -> None:
        self._homeserver = homeserver
        self._identity_secret = identity_secret

    async def publish(self, user_id: str, device_id: str, keys: dict[str, Any]) -> None:
        """Identity, device, then the end of devices that were ours. Raise `IdentityReplaced` before anything.

        `keys`: the body of `/keys/upload`.
        """
        await self._told(user_id)
        await self._homeserver.create_device(user_id, device_id, DEVICE_NAME)
        identity = Identity.derive(self._identity_secret, user_id)
        await self._homeserver.upload_cross_signing(user_id, device_id, identity.public_keys())
        await self._homeserver.upload_keys(user_id, device_id, keys)
        await self._delete_former(user_id, device_id)

    async def standing(self, user_id: str, device_id: str, device_keys: dict[str, Any]) -> Standing:
        """What the homeserver has, compared with `device_keys` as we signed them. Raise `IdentityReplaced`."""
        answer = await self._told(user_id)
        if _at(answer, "device_keys", user_id, device_id, "keys") != device_keys["keys"]:
            return Standing.GONE
        known = read_user(user_id, answer)
        signed = any(device.device_id == device_id and device.signed for device in known.devices)
        return Standing.GOOD if known.master_key is not None and signed else Standing.INCOMPLETE

    async def _told(self, user_id: str) -> dict[str, Any]:
        """The homeserver's answer about the user, whose master key, if there is any, is ours."""
        answer = await self._homeserver.query_keys(user_id, None, [user_id])
        identity = Identity.derive(self._identity_secret, user_id)
        there = _at(answer, "master_keys", user_id) is not None
        if there and read_user(user_id, answer).master_key != identity.master.public:
            raise IdentityReplaced(user_id)
        return answer

    async def _delete_former(self, user_id: str, device_id: str) -> None:
        """Those replaced, and those whose database was lost: nobody shall go on to encrypt for them."""
        account = OwnAccount(self._homeserver, user_id)
        for other, name in (await account.devices()).items():
            if name == DEVICE_NAME and other != device_id:
                await account.delete_device(other)
                log.info("own_device_deleted", user=user_id, device=other)


def _at(answer: Any, *path: str) -> Any:
    for key in path:
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer
