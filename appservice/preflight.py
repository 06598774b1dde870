"""Checks at start: each mistake of set-up is told apart, with what to do about it, before anything is attempted.

Asks the homeserver only for what changes nothing there.
"""

import contextlib
from datetime import timedelta
from email.utils import parsedate_to_datetime

from appservice.encryption.device_keys import read_user
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.names import Names
from appservice.transactions import HomeserverSide
from bridge.core.clock import Clock
from bridge.core.ids import new_id
from bridge.core.start import CannotStart, Reason

LARGEST_CLOCK_DIFFERENCE = timedelta(minutes=2)
"""Signed platform events are refused when the clocks differ by five."""

RESTART = "After a change of the registration, restart the homeserver."


class Preflight:
    def __init__(
        self,
        homeserver: Homeserver,
        names: Names,
        homeserver_side: HomeserverSide,
        clock: Clock,
        *,
        appservice_id: str,
        master_key: str,
    ) -> None:
        """`master_key`: the bot's public master key, as derived from the configuration."""
        self._homeserver = homeserver
        self._names = names
        self._homeserver_side = homeserver_side
        self._clock = clock
        self._appservice_id = appservice_id
        self._master_key = master_key

    async def run(self) -> None:
        """Raise `CannotStart` at the first mistake, `HomeserverUnavailable` where the homeserver is away."""
        # First, as Synapse answers nothing else to a token that it does not know.
        await self.check_token_and_name()
        await self.check_clock()
        await self.check_way_back()

    async def check_identity(self) -> None:
        """The bot's identity, if the homeserver has one, is the one that our secret makes."""
        answer = await self._homeserver.query_keys(self._names.bot, None, [self._names.bot])
        published = read_user(self._names.bot, answer).master_key
        if published is not None and published != self._master_key:
            raise CannotStart(
                Reason.IDENTITY_CHANGED,
                "The bot has another identity (cross-signing master key) on the homeserver than the one that"
                " `encryption.identity_secret` makes. Going on would show everybody that it was reset.",
                "Put the former `encryption.identity_secret` back. If it is lost for good, or the server was set up"
                " anew, choose a new `appservice.bot_localpart` and `appservice.ghost_prefix`.",
            )

    async def check_clock(self) -> None:
        date = await self._homeserver.date()
        if date is None:
            return
        theirs = parsedate_to_datetime(date).timestamp() * 1000
        difference = timedelta(milliseconds=self._clock.now() - theirs)
        if abs(difference) > LARGEST_CLOCK_DIFFERENCE:
            raise CannotStart(
                Reason.CLOCK_OFF,
                f"This machine's clock is {abs(difference).total_seconds():.0f} s"
                f" {'ahead of' if difference > timedelta() else 'behind'} the homeserver's.",
                "Have both machines keep time (systemd-timesyncd, chrony), then start again.",
            )

    async def check_token_and_name(self) -> None:
        try:
            sender = await self._homeserver.whoami()
        except HomeserverRefused as refusal:
            if refusal.errcode not in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_FORBIDDEN"):
                raise
            raise await self._token_refused() from None
        server_name = sender.partition(":")[2]
        if server_name != self._names.server_name:
            raise CannotStart(
                Reason.SERVER_NAME_WRONG,
                f"The homeserver is {server_name}, not {self._names.server_name}.",
                f"Set `homeserver.server_name: {server_name}` (or correct `homeserver.url`), then run"
                f" `festimo registration` again for the homeserver. {RESTART}",
            )

    async def _token_refused(self) -> CannotStart:
        """A homeserver that knows a registration like ours asks us about aliases; one that does not, does not."""
        probe = f"#{self._names.ghost_prefix}probe_{new_id()}:{self._names.server_name}"
        asked = await self._is_asked_for(probe)
        if asked:
            return CannotStart(
                Reason.AS_TOKEN_WRONG,
                "The homeserver knows this bridge, but not its `appservice.as_token`.",
                "Copy `as_token` from the registration that the homeserver uses into the configuration, or the other"
                f" way round. {RESTART}",
            )
        return CannotStart(
            Reason.NOT_REGISTERED,
            "The homeserver does not know this bridge: no registration with this `as_token` and this `url`.",
            "Name the registration (`festimo registration` prints it) in homeserver.yaml under"
            f" `app_service_config_files`. {RESTART}",
        )

    async def _is_asked_for(self, alias: str) -> bool:
        with self._homeserver_side.watch_for(alias) as asked:
            with contextlib.suppress(HomeserverRefused, HomeserverUnavailable):
                await self._homeserver.ask_for_alias(alias)
            return asked()

    async def check_way_back(self) -> None:
        try:
            await self._homeserver.ping(self._appservice_id, new_id())
        except HomeserverUnavailable as trouble:
            if trouble.errcode == "M_BAD_STATUS" and trouble.status_behind in (401, 403):
                raise CannotStart(
                    Reason.HS_TOKEN_WRONG,
                    "The homeserver reaches something at the registration's `url`, and is refused there: its"
                    " `hs_token` is not `appservice.hs_token`, or something else answers.",
                    f"Make `hs_token` the same in the configuration and in the registration. {RESTART}",
                ) from None
            if trouble.errcode in ("M_BAD_STATUS", "M_CONNECTION_FAILED", "M_CONNECTION_TIMEOUT"):
                raise CannotStart(
                    Reason.BRIDGE_UNREACHABLE,
                    "The homeserver cannot reach this bridge at the `url` of the registration.",
                    "Set `appservice.url` to an address that the homeserver can reach (in containers: the service's"
                    f" name) and `appservice.listen` to match, then run `festimo registration` again. {RESTART}",
                ) from None
            raise
        except HomeserverRefused as refusal:
            raise CannotStart(
                Reason.REGISTRATION_OLD,
                f"The registration that the homeserver uses does not fit the configuration ({refusal.errcode}).",
                f"Run `festimo registration` again for the homeserver. {RESTART}",
            ) from None
