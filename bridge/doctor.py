"""Where the objects of `festimo doctor` meet: from a configuration to the list of checks, in their order."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from aiohttp import web

from appservice.bot import unreachable
from appservice.checkup.keys import Keys
from appservice.checkup.link import Link
from appservice.checkup.round_trip import RoundTrip
from appservice.checkup.stand_in import StandIn
from appservice.encryption.identity import Identity
from appservice.encryption.own_devices import OwnDevices
from appservice.homeserver import TIMEOUT, Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.names import Names
from appservice.preflight import Preflight
from bridge.checkup.backlog import check_backlog
from bridge.checkup.database import check_database, check_master_key, opened
from bridge.checkup.process import Process
from bridge.config import Config
from bridge.core.checkup import Check
from bridge.core.clock import Clock
from bridge.platform.bus.behind import Behind
from bridge.storage.closed import ClosedDatabase
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from bridge.web.server import tls_of

Look = Callable[[], Awaitable[str]]


@asynccontextmanager
async def checks_of(config: Config, clock: Clock) -> AsyncIterator[list[Check]]:
    """The checks, to be run within the block, each once and in this order."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=TIMEOUT))
        yield _Doctor(config, session, stack, clock).checks()


class _Doctor:
    def __init__(
        self, config: Config, session: aiohttp.ClientSession, stack: AsyncExitStack, clock: Clock
    ) -> None:
        self._config = config
        self._stack = stack
        self._clock = clock
        self._database: Database = ClosedDatabase()
        self._database_is_well = False
        ours, keys = config.appservice, config.encryption
        self._names = Names(config.homeserver.server_name, ours.bot_localpart, ours.ghost_prefix)
        self._homeserver = Homeserver(
            config.homeserver.url, ours.as_token.get_secret_value(), session=session
        )
        self._identity_secret = keys.identity_secret.get_secret_value()
        self._pickle_key = keys.pickle_key.get_secret_value()
        self._sealer = Sealer(
            config.storage.master_key.get_secret_value(), clock, former_master_key=config.storage.former
        )
        self._process = Process(ours.listen_host, ours.listen_port, session, stack, tls_of(config.web))
        self._stand_in = StandIn(
            self._homeserver, self._names, self._sealer, clock, hs_token=ours.hs_token.get_secret_value()
        )
        preflight = Preflight(
            self._homeserver,
            self._names,
            self._stand_in,
            clock,
            appservice_id=ours.id,
            master_key=Identity.derive(self._identity_secret, self._names.bot).master.public,
        )
        self._link = Link(
            self._homeserver, preflight, bot=self._names.bot, runs=lambda: bool(self._process.running)
        )

    def checks(self) -> list[Check]:
        link = self._link
        return [
            Check("database", self._look_at_database),
            Check("master key", lambda: check_master_key(self._database, self._sealer), ["database"]),
            Check("pickle key", self._with_keys(lambda keys: keys.check_pickle_key()), ["database"]),
            Check("bridge", self._look_at_process),
            Check("homeserver", link.check_homeserver),
            Check("as_token", link.check_as_token, ["homeserver", "bridge"]),
            Check("clock", link.check_clock, ["as_token"]),
            Check("way back", link.check_way_back, ["as_token", "bridge"]),
            Check("identity", link.check_identity, ["as_token"]),
            Check("device", self._with_keys(lambda keys: keys.check_device()), ["pickle key", "identity"]),
            Check("one-time keys", self._with_keys(lambda keys: keys.check_one_time_keys()), ["device"]),
            Check("key backup", self._with_keys(lambda keys: keys.check_backup()), ["device"]),
            Check("backlog", self._look_at_backlog, ["database"]),
            Check("bus", self._look_at_bus),
            Check("round trip", self._look_at_round_trip, ["device"]),
        ]

    async def _look_at_database(self) -> str:
        self._database = await opened(self._config.database.url.get_secret_value())
        self._stack.push_async_callback(self._database.close)
        told = await check_database(self._database)
        self._database_is_well = True
        return told

    async def _look_at_process(self) -> str:
        app = web.Application()
        app.add_subapp("/_matrix/", self._stand_in.app())
        return await self._process.check(app)

    async def _look_at_backlog(self) -> str:
        return await check_backlog(self._database, self._clock)

    async def _look_at_bus(self) -> str:
        if not self._config.bus.servers:
            return "none is configured"
        # Here, because to import it takes a second, and most have no bus.
        from bridge.platform.bus.checkup import check_bus

        behind = await Behind.of(self._database) if self._database_is_well else None
        return await check_bus(self._config.bus, behind, now=self._clock.now())

    async def _look_at_round_trip(self) -> str:
        device = await self._own_devices().get(self._database, self._names.bot)
        assert device is not None, "looked at before"
        trip = RoundTrip(
            self._homeserver,
            self._names,
            self._clock,
            identity_secret=self._identity_secret,
            pickle_key=self._pickle_key,
        )
        return await trip.check(device)

    def _with_keys(self, look: Callable[[Keys], Awaitable[str]]) -> Look:
        async def looked() -> str:
            keys = Keys(
                self._database,
                self._homeserver,
                self._own_devices(),
                self._clock,
                bot=self._names.bot,
                identity_secret=self._identity_secret,
            )
            try:
                return await look(keys)
            except (HomeserverUnavailable, HomeserverRefused) as trouble:
                raise unreachable(trouble) from None

        return looked

    def _own_devices(self) -> OwnDevices:
        return OwnDevices(
            self._database,
            self._homeserver,
            self._clock,
            identity_secret=self._identity_secret,
            pickle_key=self._pickle_key,
        )
