"""At start: whether the database was restored from an older copy, and what follows from that.

Two halves, as messages that wait are recognised by the devices that have sent them, and what lies in the bot's inbox
may still open with its former device: `look` before the first use of a device, `settle` after the first `/sync`.
"""

import asyncio

import structlog

from appservice.encryption.own_devices import OwnDevices
from appservice.generation import Generation
from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from appservice.outbound.sent_before import SentBefore
from bridge.storage.database import Database

PAUSE_AFTER_FAILURE = 1.0
"""Seconds."""
REASON = "the database, or the homeserver's, is an older copy"

log = structlog.get_logger(__name__)


class Restored:
    def __init__(
        self,
        database: Database,
        generation: Generation,
        sent_before: SentBefore,
        own_devices: OwnDevices,
        *,
        bot: str,
    ) -> None:
        self._database = database
        self._generation = generation
        self._sent_before = sent_before
        self._own_devices = own_devices
        self._bot = bot
        self._restored = False

    async def look(self) -> None:
        """Raise `HomeserverUnavailable`; can be repeated."""
        await self._sent_before.load()
        self._restored = await self._generation.is_restored()
        if self._restored:
            await self._sent_before.recollect()

    async def settle(self) -> None:
        """Give the bot another device if need be: its ratchets and one-time keys went back in time.

        Ghosts keep theirs, which have neither; whether the homeserver still has them is asked before they are used.
        Until the count goes on, the next start does all of it again.
        """
        while True:
            try:
                await self._replace()
                await self._generation.advance()
            except HomeserverRefused as refusal:
                log.error("generation_not_advanced", reason=str(refusal))
            except HomeserverUnavailable as trouble:
                log.warning("generation_not_advanced", reason=str(trouble))
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                continue
            return

    async def _replace(self) -> None:
        if not self._restored:
            return
        device = await self._own_devices.get(self._database, self._bot)
        assert device is not None, "it has synced"
        await self._own_devices.replace(self._bot, former=device.device_id, reason=REASON)
        await self._own_devices.ensure(self._bot)
        self._restored = False
