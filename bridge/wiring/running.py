"""From a configuration to a running bridge."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from appservice.encryption.device_lists import DeviceLists
from appservice.homeserver import TIMEOUT, Homeserver
from appservice.names import Names
from bridge.config import Config
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock, SystemClock
from bridge.messages.store import MessageStore
from bridge.storage.database import Database, open_database
from bridge.storage.leader import Leader, lock_of
from bridge.web.server import serve, tls_of
from bridge.wiring.parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """What is running, for those who look on (the command line, the demo, tests)."""

    port: int
    database: Database
    names: Names
    conversations: ConversationStore
    messages: MessageStore
    device_lists: DeviceLists
    work: asyncio.Task[None]


@asynccontextmanager
async def assembled(
    config: Config,
    homeserver: Homeserver,
    clock: Clock,
    *,
    open_: Callable[[str], Awaitable[Database]] = open_database,
    patience: float | None = None,
) -> AsyncIterator[Parts]:
    """All objects of a bridge on its opened database, before any of them is at work."""
    url = config.database.url.get_secret_value()
    async with AsyncExitStack() as stack:
        database = await open_(url)
        stack.push_async_callback(database.close)
        leader = Leader(database, lock_of(url), clock)
        stack.push_async_callback(leader.close)
        parts = Parts(config, database, leader, homeserver, clock, patience=patience)
        await parts.product.sealer.check(database)
        yield parts


@asynccontextmanager
async def running(
    config: Config,
    *,
    clock: Clock | None = None,
    open_: Callable[[str], Awaitable[Database]] = open_database,
    patience: float | None = None,
) -> AsyncIterator[Bridge]:
    """Run the bridge until the block is left; `Bridge.work` ends only by an error.

    `patience`: seconds that a homeserver may be away which was never met.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=TIMEOUT))
        homeserver = Homeserver(
            config.homeserver.url, config.appservice.as_token.get_secret_value(), session=session
        )
        parts = await stack.enter_async_context(
            assembled(config, homeserver, clock, open_=open_, patience=patience)
        )
        server = await serve(
            parts.app(),
            host=config.appservice.listen_host,
            port=config.appservice.listen_port,
            tls=tls_of(config.web),
        )
        stack.push_async_callback(server.stop)
        work = asyncio.create_task(parts.work(), name="bridge")
        try:
            yield Bridge(
                port=server.port,
                database=parts.database,
                names=parts.names,
                conversations=parts.product.conversation_store,
                messages=parts.product.message_store,
                device_lists=parts.encryption.device_lists,
                work=work,
            )
        finally:
            work.cancel()
            await asyncio.wait([work])
