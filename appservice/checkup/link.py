"""Both ways between the homeserver and us, and both tokens."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from time import monotonic

from appservice.bot import unreachable
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.preflight import RESTART, Preflight
from bridge.core.checkup import Suspicious
from bridge.core.start import CannotStart, Reason

PAUSE = 0.5
"""Seconds."""


class Link:
    def __init__(
        self, homeserver: Homeserver, preflight: Preflight, *, bot: str, runs: Callable[[], bool]
    ) -> None:
        """`runs`: whether a bridge runs, and so hears in our place what the homeserver asks."""
        self._homeserver = homeserver
        self._preflight = preflight
        self._bot = bot
        self._runs = runs

    async def check_homeserver(self) -> str:
        started = monotonic()
        try:
            with contextlib.suppress(
                HomeserverRefused
            ):  # to our token it may refuse everything: the next check
                await self._homeserver.date()
        except HomeserverUnavailable as trouble:
            raise unreachable(trouble) from None
        return f"answers within {(monotonic() - started) * 1000:.0f} ms"

    async def check_clock(self) -> str:
        await self._told(self._preflight.check_clock)
        return "both clocks agree"

    async def check_as_token(self) -> str:
        try:
            await self._told(self._preflight.check_token_and_name)
        except CannotStart as failure:
            if failure.reason is not Reason.NOT_REGISTERED or not self._runs():
                raise
            raise CannotStart(  # what tells the two apart was asked of the bridge that runs
                Reason.AS_TOKEN_WRONG,
                "The homeserver does not take `appservice.as_token`: it is another one there, or not there at all.",
                f"Make it the same in the configuration and in the registration. {RESTART}",
            ) from None
        return "the homeserver takes it, and has the name it should have"

    async def check_way_back(self) -> str:
        for last in (False, False, True):
            try:
                await self._told(self._preflight.check_way_back)
            except CannotStart as failure:
                # A connection of the homeserver's to whom we have just followed is found dead by using it.
                if failure.reason is not Reason.BRIDGE_UNREACHABLE or last:
                    raise
                await asyncio.sleep(PAUSE)
            else:
                break
        return "the homeserver reaches " + ("the bridge" if self._runs() else "us in the bridge's place")

    async def check_identity(self) -> str:
        async def exists() -> None:
            if not await self._homeserver.exists(self._bot):
                raise Suspicious(
                    f"{self._bot} does not exist yet",
                    "Nothing: the first `festimo run` makes it.",
                    blocks=True,
                )

        await self._told(exists)
        await self._told(self._preflight.check_identity)
        return "the one that `encryption.identity_secret` makes"

    @staticmethod
    async def _told(look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except (HomeserverUnavailable, HomeserverRefused) as trouble:
            raise unreachable(trouble) from None
