"""People with real Matrix accounts and real encrypted clients, for the end-to-end tests."""

import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from appservice.embedded.client import Client
from appservice.embedded.synapse import Synapse
from tests.clients.js import JsClient


@dataclass(frozen=True, slots=True)
class Person:
    """An account on the homeserver; the name is what others see."""

    user_id: str
    name: str
    password: str = field(repr=False)


class People:
    """Makes accounts nobody had before, and clients that end with the block."""

    def __init__(self, synapse: Synapse, folder: Path) -> None:
        self._synapse = synapse
        self._folder = folder
        self._clients = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._clients.aclose()

    async def person(self, name: str) -> Person:
        """A new account: @name-random:server."""
        password = secrets.token_urlsafe(8)
        access = await self._synapse.register_user(f"{name.lower()}-{secrets.token_hex(4)}", password, name)
        return Person(access.user_id, name, password)

    async def nio(self, who: Person | str, *, cross_sign: bool = True, store: str | None = None) -> Client:
        """A matrix-nio client of the person (a name makes a new one), in sync.

        It is on a new device, or on the one that an earlier, closed client has left in `store`.
        """
        person = await self._known(who)
        client = await Client.login(
            self._synapse.url,
            person.user_id,
            person.password,
            self._folder / (store or f"nio-{secrets.token_hex(4)}"),
            "nio",
            cross_sign=cross_sign,
        )
        return await self._clients.enter_async_context(client)

    async def js(
        self,
        who: Person | str,
        *,
        signed_devices_only: bool = False,
        cross_sign: bool = True,
        threads: bool = False,
    ) -> JsClient:
        """An Element-like client of the person (a name makes a new one), on a new device, in sync."""
        person = await self._known(who)
        client = await JsClient.login(
            self._synapse.url,
            person.user_id,
            person.password,
            signed_devices_only=signed_devices_only,
            cross_sign=cross_sign,
            threads=threads,
        )
        return await self._clients.enter_async_context(client)

    async def _known(self, who: Person | str) -> Person:
        return await self.person(who) if isinstance(who, str) else who
