"""Festimo's own Matrix user: checked, made and introduced to the homeserver at every start."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from appservice.encryption.own_devices import OwnDevices
from appservice.encryption.pickles import WrongPickleKey
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.names import Names
from appservice.preflight import RESTART, Preflight
from bridge.core.start import CannotStart, Reason

DISPLAY_NAME = "Festimo"
PAUSE_AFTER_FAILURE = 1
"""Seconds."""
PATIENCE = 30
"""Seconds that a homeserver may be away which was never met; one that we know is waited for however long."""
TELL_EVERY = 30
"""Seconds."""

log = structlog.get_logger(__name__)


MAY_PASS = (Reason.HOMESERVER_UNREACHABLE, Reason.BRIDGE_UNREACHABLE)
"""What is waited out, as both sides may just be starting."""


class Bot:
    def __init__(
        self,
        homeserver: Homeserver,
        names: Names,
        own_devices: OwnDevices,
        preflight: Preflight,
        *,
        before_device: Callable[[], Awaitable[None]],
        patience: float | None = None,
    ) -> None:
        """`before_device` is called when the bot is there and none of its devices was used yet; `patience`: seconds,
        instead of `PATIENCE`."""
        self._homeserver = homeserver
        self._names = names
        self._own_devices = own_devices
        self._preflight = preflight
        self._before_device = before_device
        self._patience = PATIENCE if patience is None else patience

    async def introduce(self) -> None:
        """Return once the homeserver knows the bot and its device, and delivers to us. Raise `CannotStart`."""
        known = await self._is_known()
        time = asyncio.get_running_loop().time
        started, tell_at = time(), 0.0
        while True:
            try:
                await self._introduce()
            except (HomeserverUnavailable, CannotStart) as trouble:
                reason = trouble if isinstance(trouble, CannotStart) else unreachable(trouble)
                waited = time() - started
                if reason.reason not in MAY_PASS or (not known and waited >= self._patience):
                    raise reason from None
                if waited >= tell_at:
                    log.warning("homeserver_unavailable", reason=reason.what)
                    tell_at = waited + TELL_EVERY
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
            else:
                return

    async def _is_known(self) -> bool:
        """Whether the homeserver was met before; with that, whether our key opens the bot's device."""
        try:
            return await self._own_devices.is_published(self._names.bot)
        except WrongPickleKey:
            raise CannotStart(
                Reason.PICKLE_KEY_CHANGED,
                "The device keys in the database were sealed with another `encryption.pickle_key` than the one in the"
                " configuration.",
                "Put the former key back. Without it, what came in encrypted and was not read yet stays unreadable.",
            ) from None

    async def _introduce(self) -> None:
        await self._preflight.run()  # its ping makes Synapse deliver at once what it holds back
        try:
            await self._homeserver.register(self._names.bot[1:].partition(":")[0])
            await self._homeserver.set_display_name(self._names.bot, DISPLAY_NAME)
        except HomeserverRefused as refusal:
            raise CannotStart(
                Reason.REGISTRATION_OLD,
                f"The homeserver does not let the bridge make its bot {self._names.bot} ({refusal.errcode}).",
                f"Run `festimo registration` again for the homeserver. {RESTART}",
            ) from None
        await self._preflight.check_identity()
        await self._before_device()
        await self._own_devices.ensure(self._names.bot)


def unreachable(trouble: HomeserverUnavailable | HomeserverRefused) -> CannotStart:
    return CannotStart(
        Reason.HOMESERVER_UNREACHABLE,
        f"The homeserver does not answer at `homeserver.url` ({trouble}).",
        "Check the address, the port, and that the homeserver runs:"
        " `curl <homeserver.url>/_matrix/client/versions` answers if it does.",
    )
