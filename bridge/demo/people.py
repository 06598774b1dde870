"""The demo's people: their accounts on the private homeserver, and their clients."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appservice.embedded.client import Client
from bridge.demo.stand import Stand


@dataclass(frozen=True, slots=True)
class Account:
    """A person with Matrix; the password is for the person at the screen, on this machine only."""

    name: str
    user_id: str
    password: str = field(repr=False)


def person(person_id: str, name: str, account: Account | None = None) -> dict[str, Any]:
    """As the platform names them."""
    return {"id": person_id, "name": name} | ({"mxid": account.user_id} if account else {})


async def new_account(ground: Stand, name: str) -> Account:
    password = secrets.token_urlsafe(9)
    access = await ground.synapse.register_user(name.lower().replace(" ", "-"), password, name)
    return Account(name, access.user_id, password)


@asynccontextmanager
async def signed_in(ground: Stand, account: Account, folder: Path) -> AsyncIterator[Client]:
    client = await Client.login(
        ground.synapse.url,
        account.user_id,
        account.password,
        folder / account.name,
        f"{account.name}'s phone",
    )
    async with client:
        yield client
