"""The bot's `/sync`: to-device messages and device lists, the one path on which the homeserver does not lose them.

What an answer brings and the position after it are one commit; the homeserver forgets an answer only when it is asked
for the next one.

It waits at the homeserver only while nothing happens there: Synapse works a waiting `/sync` out again at each event of
the bot's rooms, over all that has happened since it began (`docs/decisions/0011`). Else it asks now and then, and at
once when a room key is missing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog

from appservice.encryption.device_lists import DeviceLists
from appservice.encryption.inbound_sessions import InboundSessions, is_session_id
from appservice.encryption.olm import CannotDecrypt, NoSession, Olm, OlmPayload
from appservice.encryption.one_time_keys import OneTimeKeys, is_scarce, supply
from appservice.encryption.own_device import DeviceDamaged
from appservice.encryption.own_devices import ONE_TIME_KEY, OwnDevices
from appservice.encryption.unwedging import Unwedging
from appservice.encryption.withheld import Withheld
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from bridge.delivery.inbox import Inbox
from bridge.storage.database import Database, DatabaseError, Transaction
from bridge.storage.leader import Guard, unguarded

FILTER: dict[str, Any] = {
    "room": {
        "rooms": [],
        # Synapse looks through the rooms all the same, for device lists: through as little of them as can be.
        "timeline": {"types": [], "limit": 1},
        "state": {"types": []},
        "ephemeral": {"types": []},
        "account_data": {"types": []},
    },
    "presence": {"types": []},
    "account_data": {"types": []},
}
QUIET_WAIT = 2_000
"""Milliseconds that a `/sync` may wait, after one that told of nothing at all."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.25, 3.0
"""Seconds between two."""
PAUSE_FACTOR = 40
"""Times as long as an answer took: of a busy homeserver's time we take little, however many rooms it has."""
EAGER_FOR = 3.0
"""Seconds of shortest pauses after news of devices: a device that has signed in is then signed, and gives keys."""
KEEP_POSITION_EVERY = 60.0
"""Seconds, where nothing comes that has to be kept."""
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


async def nothing_first() -> None:
    """There is nothing to be done before the homeserver may forget what it has told."""


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
        unwedging: Unwedging,
        withheld: Withheld,
        inbox: Inbox,
        bot: str,
        on_trouble: Callable[[], None] = lambda: None,
        before_sync: Callable[[], Awaitable[None]] = nothing_first,
        guard: Guard = unguarded,
    ) -> None:
        """`on_trouble` is called when the homeserver may be away, or may have been; `before_sync` before each request,
        by which the homeserver forgets what it has told: where it raises, nothing is asked.
        """
        self._database = database
        self._homeserver = homeserver
        self._own_devices = own_devices
        self._device_lists = device_lists
        self._olm = olm
        self._inbound = inbound
        self._unwedging = unwedging
        self._withheld = withheld
        self._inbox = inbox
        self._bot = bot
        self._on_trouble = on_trouble
        self._before_sync = before_sync
        self._one_time_keys = OneTimeKeys(database, homeserver, own_devices)
        self._guard = guard
        self._away = False
        self._synced = False
        self._position: str | None = None
        self._supply: tuple[int, list[str]] | None = None
        """One-time keys, and unused fallback keys, that the homeserver had when it was last looked after."""
        self._told: tuple[int, list[str]] | None = None
        """The same, where it was told and nothing has come of it."""
        self._kept_at = 0.0
        self._is_quiet = False
        self._pause = SHORTEST_PAUSE
        self._eager_until = 0.0
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """Sync until cancelled; an outage is waited out."""
        while True:
            if await self._attempt(QUIET_WAIT if self._is_quiet else 0):
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause):
                        await self._wanted.wait()
                self._wanted.clear()

    def look(self) -> None:
        """Ask at once: something is missing that may have come."""
        self._wanted.set()

    async def catch_up(self) -> None:
        """Return once all that came while we were away has been taken: keys, and whose devices have changed."""
        while not await self._attempt(0):
            pass

    async def _attempt(self, wait: int) -> bool:
        try:
            await self.step(wait=wait)
        except (HomeserverUnavailable, HomeserverRefused) as trouble:
            log.warning("sync_failed", reason=str(trouble))
        except Exception as trouble:
            # Whatever it is, the bridge goes on: nobody may be able to stop it by what they send.
            log.error("sync_not_kept", error=type(trouble).__qualname__)
        else:
            self._synced = True
            self._away = False
            return True
        self._away = True
        self._on_trouble()
        await asyncio.sleep(PAUSE_AFTER_FAILURE)
        return False

    def trouble(self) -> str | None:
        """What keeps room keys from coming in, or None."""
        if (replaced := self._own_devices.trouble(self._bot)) is not None:
            return replaced
        if self._away:
            return "the bot's /sync fails: see sync_failed and sync_not_kept in the log"
        return None if self._synced else "the bot has not been able to /sync since the start"

    def scarcity(self) -> str | None:
        """That the homeserver has few of the bot's keys for new sessions, and was given no others; or None."""
        if self._told is None or not is_scarce(*self._told):
            return None
        return f"{supply(*self._told)}: without any, nobody new can send the bot room keys"

    async def step(self, *, wait: int = 0) -> None:
        """One `/sync`: ask, apply and remember the position in one commit, then see to our one-time keys.

        `wait`: ms that the homeserver may wait for something to tell.
        """
        async with self._own_devices.doubting(self._bot):
            await self._step(wait)

    async def _step(self, wait: int) -> None:
        device = await self._own_devices.ensure(self._bot)
        await self._before_sync()
        since = self._position or await self._database.fetch_value(SELECT_POSITION, self._bot)
        self._position = None  # unless all goes well: what was stored, the database knows
        time = asyncio.get_running_loop().time
        asked_at = time()
        answer = await self._homeserver.sync(self._bot, device, since=since, filter_=FILTER, wait=wait)
        self._pause = self._pause_after(answer, took=0.0 if wait else time() - asked_at)
        if since is None:
            # A first answer tells of no changes: whatever was known before may be old.
            async with self._database.transaction() as tx:
                await self._device_lists.mark_all_stale(tx)
        await self._take(answer, since)
        self._position, self._is_quiet = answer["next_batch"], answer["next_batch"] == since
        await self._replenish(answer)

    def _pause_after(self, answer: Mapping[str, Any], *, took: float) -> float:
        """Seconds until the next one."""
        now = asyncio.get_running_loop().time()
        if answer.get("device_lists", {}).get("changed"):
            self._eager_until = now + EAGER_FOR
        if answer.get("to_device", {}).get("events"):
            return 0.0  # what came is backed up before it is acknowledged: both at once
        return (
            SHORTEST_PAUSE
            if now < self._eager_until
            else min(max(PAUSE_FACTOR * took, SHORTEST_PAUSE), LONGEST_PAUSE)
        )

    async def _replenish(self, answer: Mapping[str, Any]) -> None:
        left = answer.get("device_one_time_keys_count", {}).get(ONE_TIME_KEY, 0)
        unused = answer.get("device_unused_fallback_key_types", [])
        self._told = left, unused
        if self._told != self._supply:
            self._supply = None
            await self._one_time_keys.replenish(self._bot, one_time_keys=left, unused_fallback=unused)
            self._supply, self._told = self._told, None

    async def _take(self, answer: Mapping[str, Any], since: str | None) -> None:
        events = answer.get("to_device", {}).get("events", [])
        changed = answer.get("device_lists", {}).get("changed", [])
        now = asyncio.get_running_loop().time()
        if not (events or changed or since is None or now - self._kept_at > KEEP_POSITION_EVERY):
            return  # from the older position the homeserver would tell the same: nothing
        try:
            async with self._database.transaction() as tx:
                for event in events:
                    await self._to_device(tx, event)
                await self._settle(tx, changed, answer["next_batch"])
        except (DatabaseError, DeviceDamaged):
            raise
        except Exception as trouble:
            # One event that nobody foresaw must not hold up all others for ever: take them one by one, without it.
            log.error("sync_answer_odd", error=type(trouble).__qualname__)
            await self._take_one_by_one(events)
            async with self._database.transaction() as tx:
                await self._settle(tx, changed, answer["next_batch"])
        self._kept_at = now

    async def _take_one_by_one(self, events: Sequence[Mapping[str, Any]]) -> None:
        for event in events:
            try:
                async with self._database.transaction() as tx:
                    await self._to_device(tx, event)
            except (DatabaseError, DeviceDamaged):
                raise
            except Exception as trouble:
                log.error("to_device_dropped", error=type(trouble).__qualname__)

    async def _settle(self, tx: Transaction, changed: Sequence[str], next_batch: str) -> None:
        await self._device_lists.mark_stale(tx, changed)
        self._device_lists.heard(changed)
        for user_id in sorted(changed):
            await self._own_devices.doubt(tx, user_id)  # if it is one of ours
        await tx.execute(PUT_POSITION, self._bot, next_batch)
        await self._guard(tx)

    async def _to_device(self, tx: Transaction, event: Mapping[str, Any]) -> None:
        """Key requests are not answered, and forwarded keys not taken, from nobody."""
        if event.get("type") == "m.room_key.withheld":
            await self._withheld.receive(tx, _sender(event), event.get("content"))
            return
        if event.get("type") != "m.room.encrypted":
            log.debug("to_device_ignored", type=event.get("type"), sender=_sender(event))
            return
        try:
            payload = await self._olm.decrypt(tx, self._bot, event)
        except CannotDecrypt as reason:
            log.warning("to_device_refused", sender=_sender(event), reason=str(reason))
            if isinstance(reason, NoSession):
                await self._unwedging.want(tx, reason)
            return
        match payload.type:
            case "m.room_key":
                await self._room_key(tx, payload)
            case "m.room_key.withheld":
                await self._withheld.receive(tx, payload.sender, payload.content)
            case "m.dummy":
                await self._unwedging.begun_by_other_side(tx, payload)
            case other:
                log.debug("to_device_ignored", type=other, sender=payload.sender)

    async def _room_key(self, tx: Transaction, payload: OlmPayload) -> None:
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
