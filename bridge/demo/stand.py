"""A whole installation in one folder: a private homeserver, a fresh configuration, the bridge, a platform."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from appservice.embedded.settings import LOOPBACK, write_private
from appservice.embedded.synapse import Synapse, free_port
from appservice.registration import registration
from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.core.clock import Clock
from bridge.demo.platform import Platform
from bridge.storage.database import Database, open_database
from bridge.wiring import Bridge, running

SERVER_NAME = "festimo.localhost"
TENANT = "festipin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A running homeserver that knows the bridge; the bridge's configuration is written to `config_path`."""

    synapse: Synapse
    config: Config
    config_path: Path
    platform: Platform
    session: aiohttp.ClientSession

    @asynccontextmanager
    async def bridge(
        self,
        *,
        clock: Clock | None = None,
        open_: Callable[[str], Awaitable[Database]] = open_database,
    ) -> AsyncIterator[Bridge]:
        """Run the bridge in this process until the block is left."""
        async with running(self.config, clock=clock, open_=open_) as bridge:
            yield bridge


@dataclass(frozen=True, slots=True)
class _Files:
    config: Config
    config_path: Path
    registration_path: Path


@asynccontextmanager
async def stand(
    folder: Path,
    *,
    server_name: str = SERVER_NAME,
    synapse_port: int | None = None,
    database_url: str | None = None,
    synapse_database_url: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    synapse_settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[Stand]:
    """Set everything up in `folder` and start the homeserver.

    `settings` overrides keys of the bridge's sections, `synapse_settings` those of homeserver.yaml. The databases
    are SQLite files in the folder unless a postgresql:// URL is given.
    """
    synapse_port = synapse_port or free_port()
    files = _write(folder, server_name, synapse_port, database_url, settings or {})
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        synapse = await stack.enter_async_context(
            Synapse(
                folder / "synapse",
                server_name=server_name,
                port=synapse_port,
                registrations=[files.registration_path],
                database_url=synapse_database_url,
                settings=synapse_settings,
            )
        )
        secret = files.config.platform.tenants[0].webhook_secrets[0].get_secret_value()
        yield Stand(
            synapse=synapse,
            config=files.config,
            config_path=files.config_path,
            platform=Platform(files.config.appservice.url, secret, session),
            session=session,
        )


def _write(
    folder: Path,
    server_name: str,
    synapse_port: int,
    database_url: str | None,
    settings: Mapping[str, Mapping[str, Any]],
) -> _Files:
    folder.mkdir(parents=True, exist_ok=True)
    raw = fresh_settings(
        server_name=server_name,
        homeserver_url=f"http://{LOOPBACK}:{synapse_port}",
        listen=f"{LOOPBACK}:{free_port()}",
        database_url=database_url or f"sqlite:///{folder.resolve() / 'bridge.db'}",
        tenant=TENANT,
    )
    for section, keys in settings.items():
        raw.setdefault(section, {}).update(keys)
    config = Config.model_validate(raw)
    files = _Files(config, folder / "config.yaml", folder / "registration.yaml")
    write_private(files.config_path, raw)
    write_private(files.registration_path, registration(config))
    return files
