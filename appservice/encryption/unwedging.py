"""A new Olm session for a device whose messages no session of ours opens any more, and what follows when others do so.

Spec: client-server API, "Recovering from undecryptable messages". Whoever can make us do this gains nothing: the device
is one that we know as the sender's, it is told nothing, and this happens at most once an hour.
"""

import asyncio
from datetime import timedelta

import structlog

from appservice.encryption.device_lists import DeviceLists
from appservice.encryption.olm import NoSession, Olm, OlmPayload, claimed_key
from appservice.encryption.own_devices import ONE_TIME_KEY, OwnDevices
from appservice.encryption.to_device import ToDevice
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from bridge.core.clock import Clock
from bridge.storage.database import Database, DatabaseError, Row, Transaction

AT_MOST_EVERY = timedelta(hours=1)
"""Per device. Spec."""
PAUSE_AFTER_FAILURE = 5.0
"""Seconds."""

WANT = """
INSERT INTO olm_repairs (user_id, device_id, identity_key, state, wanted_at) VALUES ($1, $2, $3, 'wanted', $4)
ON CONFLICT (user_id, device_id, identity_key) DO UPDATE SET state = 'wanted', wanted_at = excluded.wanted_at
    WHERE olm_repairs.state = 'done' AND olm_repairs.wanted_at <= $5
"""
_REPAIR = "SELECT user_id, device_id, identity_key, state FROM olm_repairs"
SELECT_OPEN = f"{_REPAIR} WHERE state <> 'done' ORDER BY wanted_at"
SELECT_TO_CHANGE = f"{_REPAIR} WHERE user_id = $1 AND device_id = $2 AND identity_key = $3 FOR UPDATE"
SET_STATE = """
UPDATE olm_repairs SET state = $4 WHERE user_id = $1 AND device_id = $2 AND identity_key = $3
"""
RETIRE_SESSIONS_SHARED_WITH = """
UPDATE outbound_sessions SET retired = 1 WHERE sender = $1 AND session_id IN
    (SELECT session_id FROM session_shares WHERE user_id = $2 AND identity_key = $3 AND outcome = 'shared')
"""

log = structlog.get_logger(__name__)


class Unwedging:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        own_devices: OwnDevices,
        device_lists: DeviceLists,
        olm: Olm,
        to_device: ToDevice,
        clock: Clock,
        bot: str,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._own_devices = own_devices
        self._device_lists = device_lists
        self._olm = olm
        self._to_device = to_device
        self._clock = clock
        self._bot = bot
        self._wanted = asyncio.Event()

    async def want(self, tx: Transaction, message: NoSession) -> None:
        """Have a new session begun with the device that the message says it is from."""
        device = await self._device_lists.device_with(tx, message.sender, message.sender_key)
        if device is None:
            return
        now = self._clock.now()
        long_ago = now - AT_MOST_EVERY // timedelta(milliseconds=1)
        if await tx.execute(WANT, device.user_id, device.device_id, device.identity_key, now, long_ago):
            log.warning("olm_session_lost", user=device.user_id, device=device.device_id)
            tx.after_commit(self._wanted.set)

    async def begun_by_other_side(self, tx: Transaction, payload: OlmPayload) -> None:
        """An `m.dummy` has come: the device may have missed room keys of ours. The next message begins new sessions."""
        await tx.execute(RETIRE_SESSIONS_SHARED_WITH, self._bot, payload.sender, payload.sender_key)

    async def run(self) -> None:
        """Begin what is wanted, until cancelled; what an earlier process left is taken up first."""
        while True:
            try:
                await self.step()
            except (HomeserverUnavailable, DatabaseError) as trouble:
                log.warning("unwedging_failed", reason=type(trouble).__qualname__)
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                continue
            await self._wanted.wait()
            self._wanted.clear()

    async def step(self) -> None:
        for row in await self._database.fetch(SELECT_OPEN):
            try:
                if row["state"] == "wanted":
                    await self._begin(row)
                await self._to_device.deliver(_word(row))
            except HomeserverRefused as refusal:
                log.error(
                    "unwedging_refused", user=row["user_id"], device=row["device_id"], reason=str(refusal)
                )
            async with self._database.transaction() as tx:
                await self._to_device.drop(tx, _word(row))  # only what was refused is still there
                await self._set(tx, row, "done")

    async def _begin(self, row: Row) -> None:
        """The new session and the message that makes it known to the other side are one commit."""
        own_device = await self._own_devices.ensure(self._bot)
        claims = {row["user_id"]: {row["device_id"]: ONE_TIME_KEY}}
        claimed = (await self._homeserver.claim_keys(self._bot, own_device, claims))["one_time_keys"]
        async with self._database.transaction() as tx:
            current = await tx.fetch_one(
                SELECT_TO_CHANGE, row["user_id"], row["device_id"], row["identity_key"]
            )
            if current is None or current["state"] != "wanted":
                return
            device = await self._device_lists.device_with(tx, row["user_id"], row["identity_key"])
            key = claimed_key(device, claimed) if device is not None else None
            own = await self._own_devices.get(tx, self._bot)
            if device is None or key is None or own is None:
                log.info("no_one_time_key", user=row["user_id"], device=row["device_id"])
                return
            message = await self._olm.encrypt(tx, own, device, "m.dummy", {}, one_time_key=key)
            if message is not None:
                await self._to_device.add(
                    tx,
                    self._bot,
                    _word(row),
                    "m.room.encrypted",
                    {device.user_id: {device.device_id: message}},
                )
                await self._set(tx, row, "sealed")

    async def _set(self, tx: Transaction, row: Row, state: str) -> None:
        await tx.execute(SET_STATE, row["user_id"], row["device_id"], row["identity_key"], state)


def _word(row: Row) -> str:
    """What `to_device` knows its message by."""
    return f"olm:{row['user_id']}:{row['identity_key']}"
