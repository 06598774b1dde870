"""The connection to the bus: made again whenever it is lost; what it has missed comes then."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import structlog
from faststream.middlewares import AckPolicy
from faststream.nats import JStream, NatsBroker
from faststream.nats.message import NatsMessage
from faststream.nats.security import NatsJWT
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from bridge.config.bus import Bus as Settings
from bridge.platform.bus.credentials import Credentials, CredentialsUnusable
from bridge.platform.bus.incoming import DURABLE, EventsFromBus, OutOfOrder, consumer
from bridge.platform.bus.metrics import DISCONNECTED, count_unpublished
from bridge.platform.bus.outgoing import BusTrouble, FeedToBus
from bridge.storage.database import Reader

AGAIN_AFTER = 2.0
PUBLISH_WITHIN = 10.0
LEAVE_WITHIN = 3.0

log = structlog.get_logger(__name__)


class Bus:
    """One process at a time runs it."""

    def __init__(self, settings: Settings, incoming: EventsFromBus, outgoing: FeedToBus) -> None:
        self._settings = settings
        self._incoming = incoming
        self._outgoing = outgoing
        self._events_stream = stream_of(settings.events_subject)
        self._feed_stream = stream_of(settings.feed_subject)
        self._trouble: str | None = None

    def trouble(self) -> str | None:
        return self._trouble

    async def count(self, reader: Reader, *, now: int) -> None:
        """For Prometheus."""
        await count_unpublished(reader, now=now)

    async def run(self) -> None:
        """Until cancelled; whatever goes wrong with the bus, it is tried again."""
        while True:
            self._is("the bus cannot be reached: is NATS running, with JetStream?")
            pause = AGAIN_AFTER
            try:
                await self._outgoing.begin()
                await self._run_once()
            except* OutOfOrder:
                pause = 0
            except* (NatsError, OSError, TimeoutError, CredentialsUnusable) as errors:
                log.warning("bus_trouble", error=[type(one).__qualname__ for one in errors.exceptions])
            await asyncio.sleep(pause)

    async def _run_once(self) -> None:
        broker = self._broker()
        client = await broker.connect()
        try:
            bus = client.jetstream()
            await _ensure_stream(bus, self._events_stream, self._settings.events_subject)
            await _ensure_stream(bus, self._feed_stream, self._settings.feed_subject)
            subscriber = broker.subscriber(
                f"{self._settings.events_subject}.>",
                stream=JStream(self._events_stream, declare=False),
                config=await consumer(bus, self._events_stream),
                ack_policy=AckPolicy.MANUAL,
                decoder=_as_it_came,
            )
            subscriber(self._incoming.came)
            self._incoming.begin()
            await broker.start()
            self._is(None)
            log.info("bus_connected")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._incoming.run())
                tasks.create_task(self._outgoing.run(lambda *what: self._publish(broker, *what)))
        finally:
            await _leave(broker, client)

    def _is(self, trouble: str | None) -> None:
        self._trouble = trouble
        DISCONNECTED.set(trouble is not None)

    async def _publish(
        self, broker: NatsBroker, subject: str, body: bytes, headers: Mapping[str, str]
    ) -> None:
        try:
            await broker.publish(
                body, subject, headers=dict(headers), stream=self._feed_stream, timeout=PUBLISH_WITHIN
            )
        except (NatsError, OSError, TimeoutError) as error:
            raise BusTrouble from error

    def _broker(self) -> NatsBroker:
        async def erred(error: Exception) -> None:
            log.info("bus_error", error=type(error).__qualname__)

        async def lost() -> None:
            self._is("the bus went away; it is waited for")

        async def back() -> None:
            self._is(None)

        security = None
        if self._settings.credentials_file is not None:
            credentials = Credentials.read(self._settings.credentials_file)
            security = NatsJWT(credentials.shown, credentials.signed)
        return NatsBroker(
            [server.get_secret_value() for server in self._settings.servers],
            name=DURABLE,
            max_reconnect_attempts=-1,
            error_cb=erred,
            disconnected_cb=lost,
            reconnected_cb=back,
            apply_types=False,
            logger=None,
            security=security,
        )


def stream_of(subject: str) -> str:
    """The name of the stream that keeps what is published under it."""
    return subject.replace(".", "_").upper()


async def _ensure_stream(bus: JetStreamContext, name: str, subject: str) -> None:
    """One that is there stays as the operator has set it."""
    try:
        await bus.stream_info(name)
    except NotFoundError:
        await bus.add_stream(name=name, subjects=[f"{subject}.>"])


async def _leave(broker: NatsBroker, client: Client) -> None:
    """Of a server that is away nobody takes leave: that would last until it comes back."""
    with suppress(NatsError, OSError, TimeoutError):
        if client.is_connected:
            async with asyncio.timeout(LEAVE_WITHIN):
                await broker.stop()
    if not client.is_closed:
        await client.close()


async def _as_it_came(message: NatsMessage) -> Msg:
    """Not decoded: that is done where all events are, however they come."""
    return message.raw_message
