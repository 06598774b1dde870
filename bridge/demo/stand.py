"""A whole installation in one folder: a private homeserver, a fresh configuration, the bridge, a platform."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from appservice.embedded.synapse import Synapse, free_port
from appservice.registration import registration
from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.core.clock import Clock
from bridge.demo.platform import Platform
from bridge.storage.database import Database, open_database
from bridge.wiring import Bridge, running

TENANT = "festipin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A homeserver that knows the bridge; `settings` is the bridge's configuration as written to `config_path`."""

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


@asynccontextmanager
async def stand(
    folder: Path,
    *,
    database_url: str | None = None,
    synapse_database_url: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    synapse_settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[Stand]:
    """Set everything up and start the homeserver. `settings` overrides keys of the bridge's sections."""
    folder.mkdir(parents=True, exist_ok=True)
    port, synapse_port = free_port(), free_port()
    server_name = "festimo.localhost"
    raw = fresh_settings(
        server_name=server_name,
        homeserver_url=f"http://127.0.0.1:{synapse_port}",
        listen=f"127.0.0.1:{port}",
        database_url=database_url or f"sqlite:///{folder.resolve() / 'bridge.db'}",
        tenant=TENANT,
    )
    for section, keys in (settings or {}).items():
        raw[section] |= keys
    config = Config.model_validate(raw)
    config_path = _write_private(folder / "config.yaml", raw)
    registration_path = _write_private(folder / "registration.yaml", registration(config))
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        synapse = await stack.enter_async_context(
            Synapse(
                folder / "synapse",
                server_name=server_name,
                port=synapse_port,
                registrations=[registration_path],
                database_url=synapse_database_url,
                settings=synapse_settings,
            )
        )
        secret = config.platform.tenants[0].webhook_secrets[0].get_secret_value()
        yield Stand(
            synapse=synapse,
            config=config,
            config_path=config_path,
            platform=Platform(config.appservice.url, secret, session),
            session=session,
        )


def _write_private(path: Path, content: dict[str, Any]) -> Path:
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path
