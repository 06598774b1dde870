"""Who holds the key of an outbound Megolm session: given, refused, or owed until there is a one-time key to give it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from vodozemac import GroupSession, PickleException

from appservice.encryption.device_keys import Device
from appservice.encryption.olm import Olm, claimed_key
from appservice.encryption.own_devices import MEGOLM, ONE_TIME_KEY, OwnDevices
from appservice.encryption.sharing import NO_OLM
from appservice.encryption.to_device import ToDevice
from appservice.homeserver import Homeserver
from bridge.storage.database import Database, Row, Transaction

SELECT_SHARES = """
SELECT user_id, device_id, identity_key, message_index, outcome, ratchet FROM session_shares WHERE session_id = $1
"""
PUT_SHARE = """
INSERT INTO session_shares (session_id, user_id, device_id, identity_key, message_index, outcome, ratchet)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (session_id, user_id, device_id, identity_key)
DO UPDATE SET message_index = excluded.message_index, outcome = excluded.outcome, ratchet = excluded.ratchet
"""
FORGET_SHARES = "DELETE FROM session_shares WHERE session_id = $1"
SHARED = "shared"

log = structlog.get_logger(__name__)

Holder = tuple[str, str, str]


def holder(device: Device) -> Holder:
    return device.user_id, device.device_id, device.identity_key


class KeySharing:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        bot: str,
        own_devices: OwnDevices,
        olm: Olm,
        to_device: ToDevice,
        pickle_key: bytes,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._bot = bot
        self._own_devices = own_devices
        self._olm = olm
        self._to_device = to_device
        self._pickle_key = pickle_key

    async def holders(self, tx: Transaction, session_id: str) -> dict[Holder, Row]:
        """Whoever was given the session's key or told why not: `outcome` ("shared" or the code), `message_index`."""
        rows = await tx.fetch(SELECT_SHARES, session_id)
        return {(row["user_id"], row["device_id"], row["identity_key"]): row for row in rows}

    async def forget(self, tx: Transaction, session_id: str) -> None:
        """The session has ended: nobody must get its key, or may get no more of it."""
        await self._to_device.drop(tx, session_id)
        await tx.execute(FORGET_SHARES, session_id)

    async def share(
        self,
        room_id: str,
        sender: str,
        devices: Sequence[Device],
        opened: Callable[[Transaction], Awaitable[GroupSession | None]],
    ) -> None:
        """Claim what is needed, then write the key messages and who has them in one transaction.

        `opened` gives the session at the index to share; None where it has ended meanwhile: nothing is shared then.
        """
        sender_device_id = await self._own_devices.ensure(sender)
        claimed = await self._claim(sender, sender_device_id, devices)
        async with self._database.transaction() as tx:
            ratchet = await opened(tx)
            if ratchet is None:
                return
            own = await self._own_devices.get(tx, sender)
            assert own is not None
            told = await self.holders(tx, ratchet.session_id)
            messages: dict[str, dict[str, Any]] = {}
            for device in devices:
                row = told.get(holder(device))
                # From the first message on that it could not be given the key of.
                first = self._missed(row) or ratchet
                content = {
                    "algorithm": MEGOLM,
                    "room_id": room_id,
                    "session_id": first.session_id,
                    "session_key": first.session_key.to_base64(),
                }
                one_time_key = claimed_key(device, claimed)
                message = await self._olm.encrypt(
                    tx,
                    own,
                    device,
                    "m.room_key",
                    content,
                    one_time_key=one_time_key,
                    keep=sender == self._bot,
                )
                place = (ratchet.session_id, *holder(device))
                if message is not None:
                    messages.setdefault(device.user_id, {})[device.device_id] = message
                    await tx.execute(PUT_SHARE, *place, ratchet.message_index, SHARED, None)
                    continue
                log.info("no_one_time_key", user=device.user_id, device=device.device_id)
                if row is None:
                    await self._tell(tx, room_id, sender, ratchet.session_id, device, NO_OLM)
                owed = first.pickle(self._pickle_key)
                await tx.execute(PUT_SHARE, *place, ratchet.message_index, NO_OLM, owed)
            if messages:
                await self._to_device.add(tx, sender, ratchet.session_id, "m.room.encrypted", messages)

    async def withhold(
        self,
        tx: Transaction,
        room_id: str,
        sender: str,
        session_id: str,
        device: Device,
        code: str,
        index: int,
    ) -> None:
        """Refuse the key, and have the device told why."""
        await self._tell(tx, room_id, sender, session_id, device, code)
        await tx.execute(PUT_SHARE, session_id, *holder(device), index, code, None)

    def _missed(self, row: Row | None) -> GroupSession | None:
        try:
            owed = None if row is None else row["ratchet"]
            return None if owed is None else GroupSession.from_pickle(owed, self._pickle_key)
        except PickleException:
            return None

    async def _claim(self, sender: str, sender_device: str, devices: Sequence[Device]) -> dict[str, Any]:
        """One-time keys for the devices with which the sender has no session. A ghost never reuses one: nobody could
        repair it."""
        wanted: dict[str, dict[str, str]] = {}
        async with self._database.transaction() as tx:
            for device in devices:
                if sender == self._bot and await self._olm.has_session(tx, sender, device.identity_key):
                    continue
                wanted.setdefault(device.user_id, {})[device.device_id] = ONE_TIME_KEY
        if not wanted:
            return {}
        return await self._homeserver.claim_keys(sender, sender_device, wanted)

    async def _tell(
        self, tx: Transaction, room_id: str, sender: str, session_id: str, device: Device, code: str
    ) -> None:
        own = await self._own_devices.get(tx, sender)
        assert own is not None
        content = {"algorithm": MEGOLM, "sender_key": own.identity_key, "code": code}
        if code != NO_OLM:
            content |= {"room_id": room_id, "session_id": session_id}
        await self._to_device.add(
            tx, sender, session_id, "m.room_key.withheld", {device.user_id: {device.device_id: content}}
        )
