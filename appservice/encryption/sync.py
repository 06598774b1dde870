"""The bot's `/sync`: to-device messages and device lists, the one path on which the homeserver does not lose them.

What an answer brings and the position after it are one commit; the homeserver forgets an answer only when it is asked
for the next one.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from appservice.encryption.device_lists import DeviceLists
from appservice.encryption.inbound_sessions import InboundSessions, is_session_id
from appservice.encryption.olm import CannotDecrypt, Olm
from appservice.encryption.own_devices import ONE_TIME_KEY, OwnDevices
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from bridge.delivery.inbox import Inbox
from bridge.storage.database import Database, DatabaseError, Transaction

FILTER: dict[str, Any] = {
    "room": {"rooms": []},
    "presence": {"types": []},
    "account_data": {"types": []},
}
PAUSE_AFTER_FAILURE = 1
"""Seconds."""

SELECT_POSITION = "SELECT next_batch FROM sync_positions WHERE user_id = $1"
PUT_POSITION = """
INSERT INTO sync_positions (user_id, next_batch) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET next_batch = excluded.next_batch
"""

log = structlog.get_logger(__name__)


def waits_for_key(session_id: str) -> str:
    """The word under which inbox items wait for a room key."""
    return f"room_key:{session_id}"


class BotSync:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        own_devices: OwnDevices,
        device_lists: DeviceLists,
        olm: Olm,
        inbound: InboundSessions,
        inbox: Inbox,
        bot: str,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._own_devices = own_devices
        self._device_lists = device_lists
        self._olm = olm
        self._inbound = inbound
        self._inbox = inbox
        self._bot = bot

    async def run(self) -> None:
        """Sync until cancelled; an outage is waited out."""
        while True:
            try:
                await self.step()
            except (HomeserverUnavailable, HomeserverRefused) as trouble:
                log.warning("sync_failed", reason=str(trouble))
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
            except DatabaseError as trouble:
                log.error("sync_not_kept", error=type(trouble).__qualname__)
                await asyncio.sleep(PAUSE_AFTER_FAILURE)

    async def step(self, *, wait: int | None = None) -> None:
        """One `/sync`: ask, apply and remember the position in one commit, then mend what it told us to."""
        device = await self._own_devices.ensure(self._bot)
        since = await self._database.fetch_value(SELECT_POSITION, self._bot)
        options = {} if wait is None else {"wait": wait}
        answer = await self._homeserver.sync(self._bot, device, since=since, filter_=FILTER, **options)
        async with self._database.transaction() as tx:
            await self._apply(tx, answer)
            await tx.execute(PUT_POSITION, self._bot, answer["next_batch"])
        counts = answer.get("device_one_time_keys_count", {})
        await self._own_devices.replenish(
            self._bot,
            one_time_keys=counts.get(ONE_TIME_KEY, 0),
            unused_fallback=answer.get("device_unused_fallback_key_types", []),
        )
        await self._device_lists.refresh_stale(self._bot, device)

    async def _apply(self, tx: Transaction, answer: Mapping[str, Any]) -> None:
        for event in answer.get("to_device", {}).get("events", []):
            try:
                await self._to_device(tx, event)
            except CannotDecrypt as reason:
                log.warning("to_device_refused", sender=_sender(event), reason=str(reason))
        await self._device_lists.mark_stale(tx, answer.get("device_lists", {}).get("changed", []))

    async def _to_device(self, tx: Transaction, event: Mapping[str, Any]) -> None:
        """Only room keys over Olm count. Key requests are not answered, forwarded keys not taken, from nobody."""
        if event.get("type") != "m.room.encrypted":
            log.debug("to_device_ignored", type=event.get("type"), sender=_sender(event))
            return
        payload = await self._olm.decrypt(tx, self._bot, event)
        if payload.type != "m.room_key":
            log.debug("to_device_ignored", type=payload.type, sender=payload.sender)
            return
        session_id = payload.content.get("session_id")
        if not is_session_id(session_id):
            log.warning("room_key_refused", sender=payload.sender)
            return
        await tx.lock(waits_for_key(session_id))
        if await self._inbound.receive(tx, payload) is None:
            log.warning("room_key_refused", sender=payload.sender)
        else:
            await self._inbox.unpark(tx, waits_for_key(session_id))


def _sender(event: Mapping[str, Any]) -> str:
    return str(event.get("sender", ""))[:255]
