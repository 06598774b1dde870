"""What answers on the port."""

from aiohttp import web

from appservice.transactions import HomeserverSide
from bridge.config import Config
from bridge.core.clock import Clock
from bridge.participants.door import NotErased
from bridge.platform import rest
from bridge.platform.api import EventsApi
from bridge.platform.signature import Signatures
from bridge.signals.ports import TypingOutside
from bridge.sockets.live import Live
from bridge.sockets.seats import Seats
from bridge.storage.database import Database
from bridge.web import health
from bridge.web.auth import Credentials
from bridge.web.gate import Gate
from bridge.web.pace import Pace
from bridge.web.problems import problems
from bridge.wiring.callers import api_keys, tokens
from bridge.wiring.product import Product
from bridge.wiring.troubles import Troubles


class Website:
    """What answers on the port: the REST API and the sockets, the homeserver's side, health and metrics."""

    def __init__(
        self,
        config: Config,
        database: Database,
        product: Product,
        homeserver_side: HomeserverSide,
        typing_outside: TypingOutside,
        clock: Clock,
    ) -> None:
        self._config = config.web
        self._homeserver_side = homeserver_side
        master_key = config.storage.master_key.get_secret_value()
        people = tokens(config, database, clock)
        self.credentials = Credentials(api_keys(config, database, clock), NotErased(people, database))
        limits = config.rate_limits
        self.live = Live(
            database=database,
            feed=product.feed,
            feed_store=product.feed_store,
            conversations=product.conversation_store,
            participants=product.participants,
            messages=product.message_store,
            message_views=product.message_views,
            conversation_views=product.conversation_views,
            scheduled=product.scheduled_store,
            vendors=product.vendor_store,
            vendor_views=product.vendor_views,
            signals=product.signals,
            clock=clock,
            seats=Seats(per_person=limits.connections_per_person, per_program=limits.connections_per_program),
            frames_per_second=limits.frames_per_second,
            master_key=master_key,
        )
        events_api = EventsApi(
            product.reception,
            signatures=Signatures(config.platform.tenants),
        )
        self._rest = rest.routes(
            database=database,
            sealer=product.sealer,
            clock=clock,
            master_key=master_key,
            keys=self.credentials,
            tokens=people,
            conversation_service=product.conversations,
            conversation_store=product.conversation_store,
            conversation_changes=product.conversation_changes,
            conversation_views=product.conversation_views,
            accounts=product.accounts,
            message_service=product.messages,
            message_changes=product.message_changes,
            message_store=product.message_store,
            message_views=product.message_views,
            bookmark_store=product.bookmark_store,
            hiding=product.hiding,
            schedule=product.schedule,
            reactions=product.reactions,
            reaction_store=product.reaction_store,
            pins=product.pins,
            polls=product.polls,
            quotes=product.quotes,
            quote_store=product.quote_store,
            searching=product.searching,
            participants=product.participants,
            vendors=product.vendors,
            vendor_store=product.vendor_store,
            vendor_views=product.vendor_views,
            rating_store=product.rating_store,
            leads=product.leads,
            lead_store=product.lead_store,
            booking_store=product.booking_store,
            signals=product.signals,
            typing_outside=typing_outside,
            events_api=events_api,
            inbox=product.inbox,
            dead_letters=product.dead_letters,
            webhooks=product.sending.webhooks,
            webhook_hosts=product.sending.courier,
            http_webhooks=config.webhooks.allow_http,
            max_text_length=config.messages.max_text_length,
            pace=Pace(
                requests=limits.requests_per_minute,
                messages=limits.messages_per_minute,
                frames=limits.frames_per_minute,
            ),
            live=self.live,
            scope=config.conversation.scope,
        )

    def app(self, troubles: Troubles) -> web.Application:
        app = web.Application(middlewares=[problems])
        app.add_routes(self._rest)
        app.on_shutdown.append(self.live.close)
        app.add_routes(
            health.routes(
                troubles.checks, remarks=troubles.remarks, leads=troubles.leads, before_metrics=troubles.count
            )
        )
        app.add_subapp("/_matrix/", self._homeserver_side.app())
        ours = self._config
        Gate(allowed=ours.allowed_ips, trusted=ours.trusted_proxies, origins=ours.allowed_origins).guard(app)
        return app
