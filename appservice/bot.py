"""Festimo's own Matrix user: made and introduced to the homeserver at every start."""

import asyncio

import structlog

from appservice.encryption.own_devices import OwnDevices
from appservice.homeserver import Homeserver, HomeserverUnavailable
from appservice.names import Names
from bridge.core.ids import new_id

DISPLAY_NAME = "Festimo"
PAUSE_AFTER_FAILURE = 1
"""Seconds."""

log = structlog.get_logger(__name__)


class Bot:
    def __init__(
        self, homeserver: Homeserver, names: Names, own_devices: OwnDevices, *, appservice_id: str
    ) -> None:
        self._homeserver = homeserver
        self._names = names
        self._own_devices = own_devices
        self._appservice_id = appservice_id

    async def introduce(self) -> None:
        """Return once the homeserver knows the bot and its device, and delivers to us; wait while it is away."""
        while True:
            try:
                await self._homeserver.register(self._names.bot[1:].partition(":")[0])
                await self._homeserver.set_display_name(self._names.bot, DISPLAY_NAME)
                await self._own_devices.ensure(self._names.bot)
                # Synapse waits up to 512 s before it tries again: a ping makes it deliver at once.
                await self._homeserver.ping(self._appservice_id, new_id())
            except HomeserverUnavailable as trouble:
                log.warning("homeserver_unavailable", reason=str(trouble))
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
            else:
                return
