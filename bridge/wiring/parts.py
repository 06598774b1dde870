"""All objects of a bridge, and what they do beside each other."""

import asyncio

import structlog
from aiohttp import web

from appservice.bot import Bot
from appservice.continuity import Continuity
from appservice.encryption.outbound_sessions import retire_all_sessions
from appservice.generation import Generation
from appservice.homeserver import Homeserver
from appservice.names import Names
from appservice.preflight import Preflight
from appservice.repair import Repair
from appservice.restored import Restored
from appservice.resume import Resume
from appservice.transactions import HomeserverSide
from bridge.config import Config
from bridge.core.clock import Clock
from bridge.storage.database import Database
from bridge.storage.leader import Leader
from bridge.storage.rewrap import Rewrapping
from bridge.wiring.bus import bus_of
from bridge.wiring.deliveries import inbox_dispatcher, outbox_dispatcher, subscribe
from bridge.wiring.encryption import Encryption
from bridge.wiring.inbound import Inbound
from bridge.wiring.outbound import Outbound
from bridge.wiring.product import Product
from bridge.wiring.troubles import Troubles
from bridge.wiring.website import Website

log = structlog.get_logger(__name__)


class Parts:
    """All objects of one bridge, in the order in which they need each other."""

    def __init__(
        self,
        config: Config,
        database: Database,
        leader: Leader,
        homeserver: Homeserver,
        clock: Clock,
        *,
        patience: float | None,
    ) -> None:
        self.database = database
        self._config = config
        self._leader = leader
        ours = config.appservice
        continuity = Continuity()
        self.names = names = Names(config.homeserver.server_name, ours.bot_localpart, ours.ghost_prefix)
        self.product = product = Product(config, database, names, clock)
        self.encryption = encryption = Encryption(
            config,
            database,
            homeserver,
            product,
            names,
            clock,
            guard=leader.check,
            on_trouble=lambda: continuity.doubt("the homeserver was away"),
        )
        self._outbound = outbound = Outbound(config, database, homeserver, product, encryption, names, clock)
        self._inbound = inbound = Inbound(database, homeserver, product, encryption, names, clock)

        self._resume = Resume(database, homeserver, appservice_id=ours.id)
        homeserver_side = HomeserverSide(
            database=database,
            inbox=product.inbox,
            members=encryption.members,
            names=names,
            hs_token=ours.hs_token.get_secret_value(),
            continuity=continuity,
            on_refused=self._resume.refused,
            on_ephemeral=inbound.signals.offer,
        )
        preflight = Preflight(
            homeserver,
            names,
            homeserver_side,
            clock,
            appservice_id=ours.id,
            master_key=encryption.identity.master.public,
        )
        self._generation = Generation(database, homeserver, bot=names.bot)
        self._restored = Restored(
            database, self._generation, outbound.sent_before, encryption.own_devices, bot=names.bot
        )
        self._bot = Bot(
            homeserver,
            names,
            encryption.own_devices,
            preflight,
            before_device=self._restored.look,
            patience=patience,
        )
        self._repair = Repair(
            database,
            homeserver,
            homeserver_side,
            product.inbox,
            continuity,
            bot=names.bot,
            guard=leader.check,
            on_ephemeral=inbound.signals.offer_synced,
        )
        subscribe(product.outbox)
        self.inbox_dispatcher = inbox_dispatcher(database, product, inbound, continuity, clock)
        self.outbox_dispatcher = outbox_dispatcher(database, product, outbound, clock)
        self._website = Website(config, database, product, homeserver_side, outbound.ghost_typing, clock)
        self._bus = bus_of(config, database, product)
        self._troubles = Troubles(
            database, leader, self._resume, encryption.sync, encryption.key_backup, self._bus, clock
        )

    def app(self) -> web.Application:
        return self._website.app(self._troubles)

    async def work(self) -> None:
        """Everything that runs beside the web server, once no other process does it; what that left is taken up."""
        product, encryption = self.product, self.encryption
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._resume.run())
            tasks.create_task(self._website.live.run())
            await self._leader.lead()
            tasks.create_task(self._leader.watch())
            tasks.create_task(product.feed.run())
            tasks.create_task(product.sending.run())
            tasks.create_task(product.due_messages.run())
            if self._bus is not None:
                tasks.create_task(self._bus.run())
            tasks.create_task(product.due_quotes.run())
            tasks.create_task(product.due_strangers.run())
            tasks.create_task(self.inbox_dispatcher.run())
            if self._config.storage.former is not None:
                tasks.create_task(Rewrapping(self.database, product.sealer).run())
            await self._bot.introduce()
            await self.look_again()
            await encryption.sync.catch_up()
            await self._restored.settle()
            tasks.create_task(encryption.sync.run())
            tasks.create_task(encryption.unwedging.run())
            tasks.create_task(encryption.undecryptable.run())
            tasks.create_task(self._repair.run())
            tasks.create_task(self._generation.run())
            if self._config.encryption.key_backup:
                tasks.create_task(encryption.key_backup.run())
            tasks.create_task(encryption.device_lists.run(self.names.bot, encryption.own_devices.ensure))
            tasks.create_task(encryption.owed_keys.run())
            tasks.create_task(self._inbound.signals.run())
            tasks.create_task(self._outbound.ghost_typing.run())
            tasks.create_task(product.signals.presence.run())
            tasks.create_task(self.outbox_dispatcher.run())
            tasks.create_task(product.backfill.run())
            log.info("running", bot=self.names.bot)

    async def look_again(self) -> None:
        """While we were away members may have changed, and the database may be an older copy of itself."""
        async with self.database.transaction() as tx:
            await self.encryption.members.mark_all_stale(tx)
            await self.encryption.device_lists.mark_unknown_stale(tx)
            await self.encryption.own_devices.doubt_all(tx)
            await retire_all_sessions(tx)
