"""Who holds the key of an outbound Megolm session: given, refused, or owed until there is a one-time key to give it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from vodozemac import GroupSession, PickleException

from appservice.encryption.device_keys import Device
from appservice.encryption.olm import Olm, claimed_key
from appservice.encryption.other_servers import OtherServers, all_of, by_server
from appservice.encryption.own_devices import MEGOLM, ONE_TIME_KEY, OwnDevices
from appservice.encryption.sharing import NO_OLM
from appservice.encryption.to_device import ToDevice
from appservice.homeserver import Homeserver
from bridge.storage.database import Database, Row, Transaction

SELECT_SHARES = """
SELECT user_id, device_id, identity_key, message_index, outcome, ratchet,
    (SELECT COUNT(*) FROM to_device t WHERE t.session_id = s.session_id) AS undelivered
FROM session_shares s WHERE session_id = $1
"""
PUT_SHARE = """
INSERT INTO session_shares (session_id, user_id, device_id, identity_key, message_index, outcome, ratchet)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (session_id, user_id, device_id, identity_key)
DO UPDATE SET message_index = excluded.message_index, outcome = excluded.outcome, ratchet = excluded.ratchet
"""
OWE = """
INSERT INTO owed_keys (room_id, sender, session_id, user_id, device_id, identity_key, ratchet)
SELECT $1, $2, session_id, user_id, device_id, identity_key, ratchet FROM session_shares
WHERE session_id = $3 AND ratchet IS NOT NULL ON CONFLICT DO NOTHING
"""
TAKE_OWED = """
DELETE FROM owed_keys
WHERE room_id = $1 AND sender = $2 AND user_id = $3 AND device_id = $4 AND identity_key = $5 RETURNING ratchet
"""
# Whoever has no one-time key is asked for one before each message: as if this were the first time.
ASK_AGAIN = """
UPDATE session_shares SET message_index = -1 WHERE ratchet IS NOT NULL
    AND session_id = (SELECT session_id FROM outbound_sessions WHERE room_id = $1 AND sender = $2)
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
        servers: OtherServers,
        bot: str,
        own_devices: OwnDevices,
        olm: Olm,
        to_device: ToDevice,
        pickle_key: bytes,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._servers = servers
        self._bot = bot
        self._own_devices = own_devices
        self._olm = olm
        self._to_device = to_device
        self._pickle_key = pickle_key
        self._second_claim = asyncio.Lock()

    async def holders(self, tx: Transaction, session_id: str) -> dict[Holder, Row]:
        """Whoever was given the session's key or told why not: `outcome` ("shared" or the code), `message_index`.

        `undelivered`, the same in all: how many of those messages are not on their way yet.
        """
        rows = await tx.fetch(SELECT_SHARES, session_id)
        return {(row["user_id"], row["device_id"], row["identity_key"]): row for row in rows}

    async def follow(self, tx: Transaction, room_id: str, sender: str, former: str, session_id: str) -> None:
        """The former session has ended: what its messages could not be read with for want of a one-time key is owed."""
        await tx.execute(OWE, room_id, sender, former)
        await tx.execute(FORGET_SHARES, former)
        await self._to_device.follow(tx, former, session_id)

    async def ask_again(self, tx: Transaction, room_id: str, sender: str) -> None:
        """Have those asked for one-time keys once more who have given none for the next message."""
        await tx.execute(ASK_AGAIN, room_id, sender)

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
            owed_messages = []
            for device in devices:
                row = told.get(holder(device))
                if row is not None and row["outcome"] == SHARED:
                    continue  # by another task, while we claimed
                # From the first message on that it could not be given the key of.
                first = self._missed(row) or ratchet
                channel = await self._olm.channel(
                    tx, own, device, one_time_key=claimed_key(device, claimed), keep=sender == self._bot
                )
                place = (ratchet.session_id, *holder(device))
                if channel is not None:
                    messages.setdefault(device.user_id, {})[device.device_id] = channel.encrypt(
                        "m.room_key", _room_key(room_id, first)
                    )
                    for earlier in await self._owed(tx, room_id, sender, device):
                        message = channel.encrypt("m.room_key", _room_key(room_id, earlier))
                        owed_messages.append({device.user_id: {device.device_id: message}})
                    await self._olm.keep(tx, channel)
                    await tx.execute(PUT_SHARE, *place, ratchet.message_index, SHARED, None)
                    continue
                log.info("no_one_time_key", user=device.user_id, device=device.device_id)
                if row is None:
                    await self._tell(tx, room_id, sender, ratchet.session_id, device, NO_OLM)
                owed = first.pickle(self._pickle_key)
                await tx.execute(PUT_SHARE, *place, ratchet.message_index, NO_OLM, owed)
            if messages:
                await self._to_device.add(tx, sender, ratchet.session_id, "m.room.encrypted", messages)
            for one in owed_messages:
                await self._to_device.add(tx, sender, ratchet.session_id, "m.room.encrypted", one, owed=True)

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

    async def _owed(self, tx: Transaction, room_id: str, sender: str, device: Device) -> list[GroupSession]:
        """Of earlier sessions, each before the first message that the device cannot read. It is owed them no more."""
        rows = await tx.fetch(TAKE_OWED, room_id, sender, *holder(device))
        opened = (self._opened(row["ratchet"]) for row in rows)
        return [session for session in opened if session is not None]

    def _missed(self, row: Row | None) -> GroupSession | None:
        return None if row is None or row["ratchet"] is None else self._opened(row["ratchet"])

    def _opened(self, pickle: str) -> GroupSession | None:
        try:
            return GroupSession.from_pickle(pickle, self._pickle_key)
        except PickleException:
            return None

    async def _claim(self, sender: str, sender_device: str, devices: Sequence[Device]) -> dict[str, Any]:
        """One-time keys for the devices with which the sender has no session. A ghost never reuses one: nobody could
        repair it. There are none of those whose server is away."""
        wanted: dict[str, dict[str, str]] = {}
        async with self._database.transaction() as tx:
            for device in devices:
                if sender == self._bot and await self._olm.has_session(tx, sender, device.identity_key):
                    continue
                wanted.setdefault(device.user_id, {})[device.device_id] = ONE_TIME_KEY
        answers = await all_of(
            self._claim_from(server, sender, sender_device, {user_id: wanted[user_id] for user_id in users})
            for server, users in by_server(wanted).items()
        )
        return {user_id: keys for answer in answers for user_id, keys in answer.items()}

    async def _claim_from(
        self, server: str, sender: str, sender_device: str, wanted: Mapping[str, Mapping[str, str]]
    ) -> Mapping[str, Any]:
        claimed = await self._ask_for(server, sender, sender_device, wanted)
        if claimed is None:
            return {}
        left = _not_given(wanted, claimed)
        if not left:
            return claimed
        # Synapse on PostgreSQL, asked for a device's keys twice at once, may give one of both none though it has some.
        async with self._second_claim:
            again = await self._ask_for(server, sender, sender_device, left) or {}
        return {
            user_id: {**claimed.get(user_id, {}), **again.get(user_id, {})}
            for user_id in claimed.keys() | again
        }

    async def _ask_for(
        self, server: str, sender: str, sender_device: str, wanted: Mapping[str, Mapping[str, str]]
    ) -> Mapping[str, Any] | None:
        """None where the server is away."""
        answer = await self._servers.ask(
            server,
            self._servers.permit(server),
            lambda: self._homeserver.claim_keys(sender, sender_device, wanted),
        )
        return None if answer is None else answer["one_time_keys"]

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


def _not_given(
    wanted: Mapping[str, Mapping[str, str]], claimed: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """What is left to be claimed."""
    left = {
        user_id: {device: key for device, key in devices.items() if not claimed.get(user_id, {}).get(device)}
        for user_id, devices in wanted.items()
    }
    return {user_id: devices for user_id, devices in left.items() if devices}


def _room_key(room_id: str, session: GroupSession) -> dict[str, Any]:
    """The content of an `m.room_key`, from the session's next message on."""
    return {
        "algorithm": MEGOLM,
        "room_id": room_id,
        "session_id": session.session_id,
        "session_key": session.session_key.to_base64(),
    }
